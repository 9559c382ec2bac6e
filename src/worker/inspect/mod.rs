//! Looking into a worker: a thread answers the master's questions.
//!
//! The thread never waits for the GIL or for the app, so a worker that hangs
//! answers, too. What needs the GIL, or takes long, is done by further threads.
//! It also keeps samples of the stacks on the scoreboard, for the time after the
//! worker's death (`stack_sampling`).

mod log_level;
mod memory;
mod profile;
mod replies;
mod stacks;
mod worker;

pub use worker::Subject;

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::control::{self, Request};
use crate::python;
use replies::Replies;
use worker::{End, Worker};

/// The thread's stack in bytes. It runs no Python code.
const STACK: usize = 256 << 10;

/// How long a thread may take to come out of the interpreter when the worker ends.
const LONGEST_VISIT: Duration = Duration::from_secs(1);

/// The answers to the master, until this value is dropped: after that, the
/// interpreter is not entered any more, so that it can be ended.
pub struct Inspector(End);

impl Inspector {
    /// Answers what the master asks through this channel.
    ///
    /// # Errors
    /// The process has no threads or descriptors left.
    pub fn start(channel: &UnixStream, subject: Subject) -> io::Result<Inspector> {
        let worker = Worker {
            subject,
            replies: Replies::new(channel.try_clone()?)?,
            end: End::default(),
            profiling: Arc::default(),
            tracing: Arc::default(),
        };
        let inspector = Inspector(worker.end.clone());
        let channel = channel.try_clone()?;
        thread::Builder::new()
            .name("inspect".to_owned())
            .stack_size(STACK)
            .spawn(move || worker.answer(channel))?;
        Ok(inspector)
    }
}

impl Drop for Inspector {
    /// Not to be called with the GIL: threads may need it to come out of the
    /// interpreter.
    fn drop(&mut self) {
        self.0.come();
        python::wait_for_visitors(LONGEST_VISIT);
    }
}

impl Worker {
    /// Answers until the master closes its end.
    fn answer(self, mut channel: UnixStream) {
        crate::log::go_straight();
        let mut next_sample = self.subject.sampling.map(|pause| Instant::now() + pause);
        loop {
            if !wait(&channel, next_sample) {
                self.end.unless(|| self.keep_sample());
                next_sample = self.subject.sampling.map(|pause| Instant::now() + pause);
                continue;
            }
            match control::read::<Request>(&mut channel) {
                Ok(Some(request)) => {
                    if self.end.unless(|| self.obey(&request)).is_none() {
                        self.replies.error(&request.id, "The worker ends");
                    }
                }
                Ok(None) => break,
                Err(error) if is_of_json(&error) => {
                    self.replies.error(&().into(), &error.to_string());
                }
                Err(error) => {
                    ::log::debug!("The master cannot ask this worker any more: {error}");
                    break;
                }
            }
        }
        self.end.come();
    }

    fn obey(&self, request: &Request) {
        match &*request.command {
            "stacks" => stacks::answer(self, request),
            "profile" => profile::answer(self, request),
            "memory" => memory::answer(self, request),
            "log-level" => log_level::answer(self, request),
            other => {
                let error = format!("A worker has no command '{other}'");
                self.replies.error(&request.id, &error);
            }
        }
    }

    fn keep_sample(&self) {
        if let Some(stacks) = python::stacks(self.subject.in_flight.of_threads()) {
            let board = self.subject.heartbeat.board();
            board.keep_sample(&stacks.to_string());
        }
    }
}

/// Waits until the master has asked something, or is gone. False if it is time
/// for a sample before.
fn wait(channel: &UnixStream, deadline: Option<Instant>) -> bool {
    let mut ready = [PollFd::new(channel.as_fd(), PollFlags::POLLIN)];
    let left = deadline.map(|it| it.saturating_duration_since(Instant::now()));
    let timeout = match left {
        // The longest of poll: three weeks.
        Some(left) => PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX),
        None => PollTimeout::NONE,
    };
    match poll(&mut ready, timeout) {
        // A signal: not before its time.
        Err(_) => deadline.is_none_or(|it| it > Instant::now()),
        Ok(0) => false,
        Ok(_) => true,
    }
}

/// True if a whole frame was read, whose text is not a request.
fn is_of_json(error: &io::Error) -> bool {
    let inner = error.get_ref();
    inner.is_some_and(|inner| inner.is::<serde_json::Error>())
}

#[cfg(test)]
mod tests;
