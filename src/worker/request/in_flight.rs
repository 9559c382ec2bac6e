//! The requests that the app is handling. Other threads answer and log them
//! when the app is too slow, and when the worker stops or is aborted.

use std::cell::Cell;
use std::process;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::exchange::{AccessEntry, Exchange, Finished, Names, RequestLine, Stream, error_page};
use crate::http::Status;
use crate::log;
use crate::python::{self, RequestOfThread, ServedRequest};
use crate::scoreboard::{Counter, RequestText};
use crate::system::lock;
use crate::worker::shared::Heartbeat;

/// All requests in flight of a worker. To begin or end one takes a lock that is
/// never held for long, and allocates no memory once there are enough slots.
///
/// The master sees them, too: each slot has its copy on the scoreboard.
pub struct InFlight {
    slots: Mutex<Slots>,
    heartbeat: Heartbeat,
}

#[derive(Default)]
struct Slots {
    slots: Vec<Slot>,
    free: Vec<usize>,
}

/// A place for one request, with the data needed to answer and to log it.
#[derive(Default)]
struct Slot {
    request: Option<TrackedRequest>,
    /// The method and the target. The next request uses their memory again.
    method: Vec<u8>,
    target: Vec<u8>,
    address: String,
}

struct TrackedRequest {
    stream: Arc<dyn Stream>,
    names: Names,
    started: Instant,
    /// When the app was called.
    called: Instant,
    /// The thread that serves it from its begin to its end.
    thread: Option<u64>,
    protocol: &'static str,
    is_head: bool,
    /// The app's response is ignored from now on.
    given_up: bool,
    /// The request's line was written to the access log.
    logged: bool,
}

/// Who serves a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServedBy {
    /// The thread that begins it, until its end, and nothing else meanwhile.
    Thread,
    /// A task or a greenlet, which has a mark of the request.
    Other,
}

/// Why requests are given up, and with which status.
#[derive(Clone, Copy, Debug)]
pub enum GiveUpReason {
    /// The app took too long: 504.
    TooLong,
    /// The worker is aborted: 504.
    Aborted,
    /// The worker stops: 503.
    Stopping,
}

/// A request in flight, until this value is dropped.
pub struct Tracked {
    all: Arc<InFlight>,
    index: usize,
    /// How long the request has waited for the app to be called.
    queue: Duration,
    /// How long it took, once the app has answered.
    took: Cell<Option<Duration>>,
}

impl InFlight {
    /// None yet. They are shown on the scoreboard of this `heartbeat`.
    pub fn new(heartbeat: &Heartbeat) -> InFlight {
        InFlight {
            slots: Mutex::default(),
            heartbeat: heartbeat.clone(),
        }
    }

    /// Adds a request for which the app is called at this moment.
    pub fn begin(self: &Arc<Self>, exchange: &Exchange, by: ServedBy, called: Instant) -> Tracked {
        let (head, stream) = (&exchange.head, exchange.stream());
        let mut all = self.lock();
        let index = all.free.pop().unwrap_or_else(|| {
            all.slots.push(Slot::default());
            all.slots.len() - 1
        });
        let slot = &mut all.slots[index];
        slot.method.extend_from_slice(head.method());
        slot.target.extend_from_slice(head.target());
        slot.address.push_str(&stream.client().address);
        slot.request = Some(TrackedRequest {
            stream: Arc::clone(stream),
            names: exchange.names.clone(),
            started: exchange.started,
            called,
            thread: (by == ServedBy::Thread).then(python::ident),
            protocol: head.version().as_str(),
            is_head: head.method() == b"HEAD",
            given_up: false,
            logged: false,
        });
        // While the lock is held: no other thread writes to the slot.
        self.heartbeat.board().begin(
            index,
            &RequestText {
                method: head.method(),
                target: head.target(),
                client: exchange.remote().0.as_bytes(),
                id: exchange.names.id().unwrap_or_default().as_bytes(),
            },
        );
        drop(all);
        Tracked {
            all: Arc::clone(self),
            index,
            queue: called.saturating_duration_since(exchange.started),
            took: Cell::new(None),
        }
    }

    /// When the oldest request began that counts: upgraded connections and
    /// requests that were given up do not.
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

    /// Gives up the requests that are at least `age` old: their clients get an
    /// error page unless a part of the response was sent, and the access log
    /// gets their lines. The result describes the requests for the error log.
    pub fn give_up(&self, age: Duration, reason: GiveUpReason) -> Vec<String> {
        let mut all = self.lock();
        let slots = all.slots.iter_mut();
        let given_up = slots.filter_map(|slot| slot.give_up(age, reason, &self.heartbeat));
        given_up.collect()
    }

    /// The requests that have a thread for themselves.
    pub fn of_threads(&self) -> Vec<RequestOfThread> {
        let all = self.lock();
        let of_thread = |slot: &Slot| {
            let thread = slot.request.as_ref()?.thread?;
            let request = slot.served()?;
            Some(RequestOfThread { thread, request })
        };
        all.slots.iter().filter_map(of_thread).collect()
    }

    /// The threads that have a request for themselves, with its target.
    pub fn targets_of_threads(&self) -> Vec<(u64, String)> {
        let all = self.lock();
        let of_thread = |slot: &Slot| {
            let thread = slot.request.as_ref()?.thread?;
            Some((thread, slot.target.escape_ascii().to_string()))
        };
        all.slots.iter().filter_map(of_thread).collect()
    }

    /// All requests, the oldest first.
    pub fn served(&self) -> Vec<ServedRequest> {
        let all = self.lock();
        let mut served: Vec<_> = all.slots.iter().filter_map(Slot::served).collect();
        drop(all);
        served.sort_by(|one, other| other.age.total_cmp(&one.age));
        served
    }

    /// The request of the stream with this key, if the app has it.
    pub fn of_stream(&self, key: u64) -> Option<ServedRequest> {
        let all = self.lock();
        let is_it = |request: &TrackedRequest| request.stream.key() == key;
        let found = |slot: &&Slot| slot.request.as_ref().is_some_and(is_it);
        all.slots.iter().find(found)?.served()
    }

    /// Writes the requests that were given up to the error log, with the stacks
    /// of all threads, tasks and greenlets.
    pub fn log_given_up(&self, what: &str, requests: &[String]) {
        let pid = process::id();
        let requests = match requests {
            [] => "no request".to_owned(),
            some => some.join("; "),
        };
        let stacks = python::stacks(self.of_threads());
        let stacks = stacks.map_or_else(String::new, |stacks| stacks.to_string());
        let text = format!("Worker (pid: {pid}) {what} {requests}\n{stacks}");
        ::log::error!("{}", text.trim_end());
    }

    /// Ends the clients' input for apps that have taken their connections for
    /// another protocol.
    pub fn end_upgraded(&self) {
        for request in self.lock().requests() {
            if request.stream.is_detached_for_good() {
                request.stream.end_for_app();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        lock(&self.slots)
    }
}

impl Slots {
    fn requests(&self) -> impl Iterator<Item = &TrackedRequest> {
        self.slots.iter().filter_map(|slot| slot.request.as_ref())
    }
}

impl Slot {
    fn served(&self) -> Option<ServedRequest> {
        let request = self.request.as_ref()?;
        Some(ServedRequest {
            method: self.method.escape_ascii().to_string(),
            target: self.target.escape_ascii().to_string(),
            id: request.names.id().map(str::to_owned),
            age: request.started.elapsed().as_secs_f64(),
        })
    }

    fn give_up(
        &mut self,
        min_age: Duration,
        reason: GiveUpReason,
        heartbeat: &Heartbeat,
    ) -> Option<String> {
        let request = self.request.as_mut()?;
        let age = request.started.elapsed();
        if request.given_up || age < min_age {
            return None;
        }
        let upgraded = request.stream.is_detached_for_good();
        match reason {
            GiveUpReason::TooLong if upgraded => return None,
            GiveUpReason::Stopping if upgraded => {
                // The app ends the connection itself, in its own protocol.
                request.stream.end_for_app();
                return None;
            }
            _ => {}
        }
        request.given_up = true;
        let names = &request.names;
        let rules = request.stream.rules();
        let (status, message) = match reason {
            GiveUpReason::Stopping => (Status::SERVICE_UNAVAILABLE, "The server stops"),
            GiveUpReason::TooLong | GiveUpReason::Aborted => (Status::GATEWAY_TIMEOUT, ""),
        };
        let page = error_page(rules, status, message, request.is_head, names, &[]);
        let answered = request.stream.refuse(&page);
        // The app of an aborted worker must not go on to another request.
        if !matches!(reason, GiveUpReason::Aborted) {
            request.stream.end_for_app();
        }
        let board = heartbeat.board();
        board.count(Counter::GivenUp, 1);
        // If the request was logged, the app has answered it, but has not
        // returned.
        let is_first = !request.logged;
        if is_first && !upgraded {
            let queue = request.called.saturating_duration_since(request.started);
            board.took(age, queue);
        }
        if let Some(log) = log::access().filter(|_| is_first) {
            let mut parts = self.target.splitn(2, |byte| *byte == b'?');
            let status = match upgraded {
                true => Status::SWITCHING_PROTOCOLS.code,
                false => page.status.code,
            };
            let body_bytes = if answered {
                page.body().len() as u64
            } else {
                0
            };
            let entry = AccessEntry {
                remote_addr: &self.address,
                names,
                line: RequestLine {
                    method: &self.method,
                    target: &self.target,
                    path: parts.next().unwrap_or_default(),
                    query: parts.next().unwrap_or_default(),
                    protocol: request.protocol,
                },
                head: None,
                elapsed: age,
                finished: Finished::own(status, body_bytes),
            };
            entry.write(&log);
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
            names.note(),
            age.as_secs_f64()
        ))
    }
}

impl Tracked {
    /// Keeps how long the request took. The time of a connection that has
    /// carried another protocol is not that of a request.
    pub fn answered(&self, exchange: &Exchange, finished: &Finished<'_>) {
        if finished.status != Status::SWITCHING_PROTOCOLS.code {
            self.took.set(Some(exchange.started.elapsed()));
        }
    }

    /// True if the app's response must be logged, and not an error page that
    /// was sent instead. After that no error page is logged for the request.
    pub fn log_answer(&self) -> bool {
        let mut all = self.all.lock();
        let request = all.slots[self.index].request.as_mut();
        request.is_some_and(|request| {
            request.logged = true;
            !request.given_up
        })
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        let slot = &mut all.slots[self.index];
        slot.method.clear();
        slot.target.clear();
        slot.address.clear();
        let ended = slot.request.take();
        all.free.push(self.index);
        let board = self.all.heartbeat.board();
        board.end(self.index);
        // While the lock is held: one thread at a time does this.
        let counts = ended.as_ref().is_some_and(|it| it.logged || !it.given_up);
        if let Some(took) = self.took.get().filter(|_| counts) {
            board.took(took, self.queue);
        }
        // This may be the last reference to the connection, whose drop takes a
        // while.
        drop(all);
        drop(ended);
    }
}
