//! The channels to the workers: questions, and the answers gathered from several
//! of them.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::keys::Key;
use super::poller::Poller;
use crate::control::{Frames, Reply, Request, frame};
use crate::status::process::is_stopped;

/// The longest question in bytes. The socket's buffer has room for many.
const LONGEST: usize = 4096;

/// The channels to all workers.
#[derive(Debug)]
pub struct Channels {
    poller: Poller,
    workers: HashMap<i32, Channel>,
    gathers: HashMap<u64, Gather>,
    /// The number of the last gather.
    last: u64,
}

#[derive(Debug)]
struct Channel {
    socket: UnixStream,
    frames: Frames,
}

/// A question to some workers.
#[derive(Debug)]
struct Gather {
    /// Who has asked.
    client: Asker,
    /// The workers that have not answered, and why their answer may be missing.
    missing: Vec<i32>,
    answers: Map<String, Value>,
    deadline: Instant,
    /// How long the workers have, for the sentence that says that one is late.
    limit: Duration,
}

/// Who has asked workers.
#[derive(Clone, Debug, PartialEq)]
pub struct Asker {
    /// The client's key.
    pub client: Key,
    /// The id of its request.
    pub id: Value,
}

/// The answers of the workers: an object for each process id, with `error` where
/// there is none.
#[derive(Debug)]
pub struct Gathered {
    pub asker: Asker,
    pub workers: Map<String, Value>,
}

impl Channels {
    pub fn new(poller: &Poller) -> Self {
        Self {
            poller: poller.clone(),
            workers: HashMap::new(),
            gathers: HashMap::new(),
            last: 0,
        }
    }

    pub fn add(&mut self, pid: i32, socket: UnixStream) {
        // Without it the worker cannot be asked, and that is said then.
        if self.poller.add(&socket, Key::Worker(pid).number()).is_ok() {
            let frames = Frames::of_replies();
            self.workers.insert(pid, Channel { socket, frames });
        }
    }

    /// Removes a worker that has ended.
    pub fn remove(&mut self, pid: i32) {
        if let Some(channel) = self.workers.remove(&pid) {
            self.poller.remove(&channel.socket);
        }
        let missing = self.gathers.values_mut();
        for gather in missing.filter(|gather| gather.missing.contains(&pid)) {
            gather.take(pid, error("the worker has ended"));
        }
    }

    /// Asks these workers; their answers are gathered until `limit`.
    pub fn ask(
        &mut self,
        pids: &[i32],
        asker: Asker,
        command: &str,
        args: &[String],
        limit: Duration,
    ) {
        self.last += 1;
        let mut gather = Gather {
            client: asker,
            missing: pids.to_vec(),
            answers: Map::new(),
            deadline: Instant::now() + limit,
            limit,
        };
        let request = Request::new(self.last, command, args.iter().map(String::as_str));
        for pid in pids {
            if let Err(why) = self.send(*pid, &request) {
                gather.take(*pid, error(&why));
            }
        }
        self.gathers.insert(self.last, gather);
    }

    fn send(&mut self, pid: i32, request: &Request) -> Result<(), String> {
        if is_stopped(pid) {
            return Err("the process is stopped (SIGSTOP, or a debugger)".to_owned());
        }
        let channel = self.workers.get_mut(&pid);
        let channel = channel.ok_or("the worker has no channel to the master")?;
        let bytes = frame(request).map_err(|error| error.to_string())?;
        if bytes.len() > LONGEST {
            return Err("the question is too long".to_owned());
        }
        match channel.socket.write(&bytes) {
            Ok(length) if length == bytes.len() => Ok(()),
            Ok(_) => {
                // What follows would be read as its rest.
                self.remove(pid);
                Err("the worker reads no questions, and is asked no more".to_owned())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err("the worker reads no questions".to_owned())
            }
            Err(error) => Err(format!("the worker cannot be asked: {error}")),
        }
    }

    /// Reads what a worker has answered.
    pub fn read(&mut self, pid: i32) {
        let Some(channel) = self.workers.get_mut(&pid) else {
            return;
        };
        let mut buffer = [0; 65536];
        match channel.socket.read(&mut buffer) {
            Ok(length @ 1..) => channel.frames.push(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Ok(0) | Err(_) => return self.remove(pid),
        }
        loop {
            let reply = match channel.frames.next::<Reply>() {
                Ok(Some(reply)) => reply,
                Ok(None) => return,
                Err(why) => {
                    ::log::error!("Worker (pid:{pid}) answers nonsense: {why}");
                    return self.remove(pid);
                }
            };
            let id = reply.id.as_u64().unwrap_or_default();
            if let Some(gather) = self.gathers.get_mut(&id) {
                gather.take(pid, reply.result.unwrap_or_else(|why| error(&why)));
            }
        }
    }

    /// Takes the questions that were answered by all, or whose time is over.
    pub fn take_gathered(&mut self, now: Instant) -> Vec<Gathered> {
        let is_done =
            |_: &u64, gather: &mut Gather| gather.missing.is_empty() || gather.deadline <= now;
        let done: Vec<_> = self.gathers.extract_if(is_done).collect();
        done.into_iter().map(|(_, gather)| gather.end()).collect()
    }

    /// When the time of the first question is over.
    pub fn deadline(&self) -> Option<Instant> {
        self.gathers.values().map(|gather| gather.deadline).min()
    }

    pub fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        self.workers.values().map(|it| it.socket.as_raw_fd())
    }
}

impl Gather {
    fn take(&mut self, pid: i32, answer: Value) {
        if let Some(place) = self.missing.iter().position(|it| *it == pid) {
            self.missing.swap_remove(place);
            self.answers.insert(pid.to_string(), answer);
        }
    }

    fn end(mut self) -> Gathered {
        for pid in std::mem::take(&mut self.missing) {
            let limit = self.limit.as_secs();
            let why = match is_stopped(pid) {
                true => "the process is stopped (SIGSTOP, or a debugger)".to_owned(),
                false => format!("the worker has not answered within {limit} s; it hangs"),
            };
            self.answers.insert(pid.to_string(), error(&why));
        }
        Gathered {
            asker: self.client,
            workers: self.answers,
        }
    }
}

fn error(why: &str) -> Value {
    json!({ "error": why })
}
