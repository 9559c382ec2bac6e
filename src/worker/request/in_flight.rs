//! The requests that the app is handling, for whoever must speak of them while
//! the app does not: at a deadline, and when the worker is aborted.

use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::exchange::{Exchange, Stream, error_page};
use crate::http::Status;
use crate::log::{self, AccessRecord};

/// All requests in flight of a worker. Beginning and ending one takes a lock
/// that nobody holds for long, and no memory once there is enough.
#[derive(Default)]
pub struct InFlight(Mutex<Slots>);

#[derive(Default)]
struct Slots {
    slots: Vec<Slot>,
    free: Vec<usize>,
}

/// A request's place, with what is needed to answer and to log it.
#[derive(Default)]
struct Slot {
    request: Option<TrackedRequest>,
    /// The method and the target, in memory that the next request uses again.
    method: Vec<u8>,
    target: Vec<u8>,
    address: String,
}

struct TrackedRequest {
    stream: Arc<dyn Stream>,
    id: Option<Arc<str>>,
    started: Instant,
    protocol: &'static str,
    is_head: bool,
    /// The app's answer does not count any more.
    given_up: bool,
    /// The access log has its line.
    logged: bool,
}

/// Why requests are given up.
#[derive(Clone, Copy, Debug)]
pub enum Why {
    /// The app took too long: 504.
    TooLong,
    /// The worker is aborted in the middle of it: 504.
    Aborted,
    /// The worker ends: 503.
    Stopping,
}

/// A request in flight, until this value is dropped.
pub struct Tracked {
    all: Arc<InFlight>,
    place: usize,
}

impl InFlight {
    /// Notes a request that the app is about to handle.
    pub fn begin(self: &Arc<Self>, exchange: &Exchange) -> Tracked {
        let (head, stream) = (&exchange.head, exchange.stream());
        let mut all = self.lock();
        let place = all.free.pop().unwrap_or_else(|| {
            all.slots.push(Slot::default());
            all.slots.len() - 1
        });
        let slot = &mut all.slots[place];
        slot.method.extend_from_slice(head.method());
        slot.target.extend_from_slice(head.target());
        slot.address.push_str(&stream.client().address);
        slot.request = Some(TrackedRequest {
            stream: Arc::clone(stream),
            id: exchange.id.clone(),
            started: exchange.started,
            protocol: head.version().as_str(),
            is_head: head.method() == b"HEAD",
            given_up: false,
            logged: false,
        });
        drop(all);
        Tracked {
            all: Arc::clone(self),
            place,
        }
    }

    /// When the oldest request began that was not given up yet.
    pub fn oldest(&self) -> Option<Instant> {
        let all = self.lock();
        let waiting = all
            .requests()
            .filter(|request| !request.given_up && !request.stream.is_detached_for_good());
        waiting.map(|request| request.started).min()
    }

    /// True if there are requests, and all of them were given up.
    pub fn is_stuck(&self) -> bool {
        let all = self.lock();
        let mut requests = all.requests().peekable();
        requests.peek().is_some() && requests.all(|request| request.given_up)
    }

    /// Gives up the requests that are at least as old as that: the client gets
    /// an answer where nothing was sent yet, the access log its line. The
    /// result says which they were, for the error log.
    pub fn give_up(&self, age: Duration, why: Why) -> Vec<String> {
        let mut all = self.lock();
        let slots = all.slots.iter_mut();
        slots.filter_map(|slot| slot.give_up(age, why)).collect()
    }

    /// Lets apps that have their connections for another protocol find the end
    /// of what clients send.
    pub fn end_upgraded(&self) {
        for request in self.lock().requests() {
            if request.stream.is_detached_for_good() {
                request.stream.end_for_app();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    fn requests(&self) -> impl Iterator<Item = &TrackedRequest> {
        self.slots.iter().filter_map(|slot| slot.request.as_ref())
    }
}

impl Slot {
    fn give_up(&mut self, least: Duration, why: Why) -> Option<String> {
        let request = self.request.as_mut()?;
        let age = request.started.elapsed();
        if request.given_up || age < least {
            return None;
        }
        let upgraded = request.stream.is_detached_for_good();
        match why {
            Why::TooLong if upgraded => return None,
            Why::Stopping if upgraded => {
                // It answers by itself, in its own protocol.
                request.stream.end_for_app();
                return None;
            }
            _ => {}
        }
        request.given_up = true;
        let id = request.id.as_deref();
        let rules = request.stream.rules();
        let (status, message) = match why {
            Why::Stopping => (Status::SERVICE_UNAVAILABLE, "The server stops"),
            Why::TooLong | Why::Aborted => (Status::GATEWAY_TIMEOUT, ""),
        };
        let page = error_page(rules, status, message, request.is_head, id, &[]);
        let answered = request.stream.refuse(&page.bytes);
        // One that is aborted is not to go on to another request.
        if !matches!(why, Why::Aborted) {
            request.stream.end_for_app();
        }
        // Else the app has answered, and is still at work on something.
        if let Some(log) = log::access().filter(|_| !request.logged) {
            let mut parts = self.target.splitn(2, |byte| *byte == b'?');
            log.line(&AccessRecord {
                remote_addr: &self.address,
                method: &self.method,
                target: &self.target,
                path: parts.next().unwrap_or_default(),
                query: parts.next().unwrap_or_default(),
                protocol: request.protocol,
                status: match upgraded {
                    true => Status::SWITCHING_PROTOCOLS.code,
                    false => page.status.code,
                },
                body_bytes: if answered { page.body_length as u64 } else { 0 },
                elapsed: age,
                request_id: id.unwrap_or_default().as_bytes(),
                ..AccessRecord::unknown()
            });
            log.flush();
        }
        let from = match &*self.address {
            "" => "a unix socket",
            address => address,
        };
        Some(format!(
            "{} {}{} from {from}, {:.1} s old",
            self.method.escape_ascii(),
            self.target.escape_ascii(),
            log::id_note(id),
            age.as_secs_f64()
        ))
    }
}

impl Tracked {
    /// True if the app's answer is the one to be logged, and not one that was
    /// given in its place. From then on no other is.
    pub fn log_answer(&self) -> bool {
        let mut all = self.all.lock();
        let request = all.slots[self.place].request.as_mut();
        request.is_some_and(|request| {
            request.logged = true;
            !request.given_up
        })
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        let slot = &mut all.slots[self.place];
        slot.method.clear();
        slot.target.clear();
        slot.address.clear();
        let ended = slot.request.take();
        all.free.push(self.place);
        // Its stream may be the last one's owner, whose end takes a while.
        drop(all);
        drop(ended);
    }
}

/// What the error log says of requests that were given up, with the stack of
/// every thread.
pub fn report(what: &str, requests: &[String]) {
    let pid = process::id();
    let requests = match requests {
        [] => "no request".to_owned(),
        some => some.join("; "),
    };
    let stacks = crate::python::stacks().unwrap_or_default();
    let text = format!("Worker (pid: {pid}) {what} {requests}\n{stacks}");
    ::log::error!("{}", text.trim_end());
}
