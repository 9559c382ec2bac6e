//! What is counted. Counters only grow.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::histogram::{AtomicHistogram, Histogram};

/// The methods that are counted each for itself; the last one is for all others,
/// and for requests that could not be read.
pub const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "other",
];

/// The classes of status codes (RFC 9110 section 15); the last one is for codes
/// outside of them.
pub const STATUS_CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "other"];

/// Makes the list of single counters.
macro_rules! counters {
    ($( $(#[doc = $about:literal])+ $Name:ident = $field:ident, )+) => {
        /// The single counters.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Counter {
            $( $(#[doc = $about])+ $Name, )+
        }

        const COUNTERS: usize = [$( Counter::$Name ),+].len();

        /// A copy of a worker's counters, or the sum of several workers'.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Counters {
            /// Answered requests, also those that the server has answered
            /// itself: by method, in the order of [`METHODS`], and by status,
            /// in the order of [`STATUS_CLASSES`].
            #[serde(with = "super::request_table")]
            pub requests: [[u64; STATUS_CLASSES.len()]; METHODS.len()],
            /// From the moment when the request could be given to the app, to
            /// the end of the response.
            pub duration: Histogram,
            /// How much of it the request has waited for the app to be called.
            pub queue: Histogram,
            $( $(#[doc = $about])+ pub $field: u64, )+
        }

        impl Counters {
            fn singles(&mut self) -> [&mut u64; COUNTERS] {
                [$( &mut self.$field ),+]
            }
        }
    };
}

counters! {
    /// Bytes received from clients, without TLS.
    BytesReceived = bytes_received,
    /// Bytes sent to clients, without TLS.
    BytesSent = bytes_sent,
    /// Connections accepted.
    Connections = connections,
    /// Connections that were turned away when they were accepted.
    ConnectionsRefused = connections_refused,
    /// TLS handshakes that were finished.
    TlsHandshakes = tls_handshakes,
    /// TLS handshakes that have failed.
    TlsFailures = tls_failures,
    /// Connections that became WebSockets or other protocols.
    Upgrades = upgrades,
    /// Such connections that have ended.
    UpgradesEnded = upgrades_ended,
    /// Requests whose app took too long, and which were answered without it.
    GivenUp = given_up,
}

/// The counters in memory that processes share.
#[derive(Debug)]
pub struct AtomicCounters {
    requests: [[AtomicU64; STATUS_CLASSES.len()]; METHODS.len()],
    duration: AtomicHistogram,
    queue: AtomicHistogram,
    singles: [AtomicU64; COUNTERS],
}

impl AtomicCounters {
    pub fn count(&self, counter: Counter, more: u64) {
        self.singles[counter as usize].fetch_add(more, Ordering::Relaxed);
    }

    /// Counts an answered request.
    pub fn answered(&self, method: Method, status: u16) {
        let class = match status / 100 {
            class @ 1..=5 => class as usize - 1,
            _ => STATUS_CLASSES.len() - 1,
        };
        self.requests[method.place()][class].fetch_add(1, Ordering::Relaxed);
    }

    /// One thread at a time calls it.
    pub fn took(&self, duration: Duration, queue: Duration) {
        self.duration.record(duration);
        self.queue.record(queue);
    }

    pub fn load(&self) -> Counters {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut copy = Counters {
            requests: self.requests.each_ref().map(|row| row.each_ref().map(load)),
            duration: self.duration.load(),
            queue: self.queue.load(),
            ..Counters::default()
        };
        let singles = copy.singles().into_iter().zip(&self.singles);
        singles.for_each(|(single, counter)| *single = load(counter));
        copy
    }
}

impl Counters {
    /// All answered requests.
    pub fn all_requests(&self) -> u64 {
        self.requests.as_flattened().iter().sum()
    }

    /// Microseconds that the app has worked on requests.
    pub fn app_micros(&self) -> u64 {
        self.duration.sum.saturating_sub(self.queue.sum)
    }

    /// The answered requests of one class, by its place in [`STATUS_CLASSES`].
    pub fn of_class(&self, class: usize) -> u64 {
        self.requests.iter().map(|row| row[class]).sum()
    }

    /// Adds those of another worker.
    pub fn add(&mut self, other: &Self) {
        let mut other = other.clone();
        self.duration.add(&other.duration);
        self.queue.add(&other.queue);
        let requests = self.requests.as_flattened_mut().iter_mut();
        for (count, more) in requests.zip(other.requests.as_flattened()) {
            *count += more;
        }
        for (single, more) in self.singles().into_iter().zip(other.singles()) {
            *single += *more;
        }
    }
}

/// One of [`METHODS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Method(u8);

impl Method {
    pub fn of(method: &[u8]) -> Self {
        let other = METHODS.len() - 1;
        let mut known = METHODS[..other].iter();
        let place = known.position(|name| name.as_bytes() == method);
        Self(place.unwrap_or(other) as u8)
    }

    fn place(self) -> usize {
        usize::from(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Board;
    use super::*;
    use crate::system::Shared;

    #[test]
    fn requests_are_counted_by_method_and_status() {
        let board = Shared::<Board>::new().unwrap();
        board.answered(Method::of(b"GET"), 200);
        board.answered(Method::of(b"GET"), 204);
        board.took(Duration::from_millis(3), Duration::from_millis(1));
        board.answered(Method::of(b"BREW"), 418);
        board.answered(Method::of(b""), 999);
        board.count(Counter::BytesSent, 7);
        let mut counters = board.counters();
        assert_eq!(counters.requests[0], [0, 2, 0, 0, 0, 0]);
        assert_eq!(counters.requests[8], [0, 0, 0, 1, 0, 1]);
        assert_eq!((counters.bytes_sent, counters.app_micros()), (7, 2000));
        assert_eq!(
            (counters.duration.count(), counters.duration.sum),
            (1, 3000)
        );
        counters.add(&board.counters());
        assert_eq!((counters.all_requests(), counters.bytes_sent), (8, 14));
        assert_eq!((counters.queue.count(), counters.of_class(3)), (2, 2));
    }
}
