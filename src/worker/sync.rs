//! The `sync` worker: the app runs in the reactor's own thread, one request at
//! a time. While it waits for its client, the network goes on.

use super::exchange::Exchange;
use super::hub::{Alone, Rules, Waiter};
use super::reactor::{Event, Reactor};
use super::refusal::Refusal;
use super::service::{Service, pulse, rules};
use super::signals::Signals;
use super::{Boot, Heartbeat};
use crate::wsgi::Application;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use pyo3::prelude::*;
use socket2::Socket;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::mem;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Serves until a signal ends it or the parent is gone.
///
/// # Errors
/// epoll does not work.
pub fn serve(boot: &Boot<'_>, application: &Application, signals: &Signals) -> io::Result<()> {
    let service = Service::new(boot, application, signals);
    let waiter = Box::new(Meanwhile(boot.heartbeat.clone()));
    let rules = Rules {
        serves_one: true,
        ..rules(boot)
    };
    let reactor = Reactor::new(boot.listeners, signals, rules, waiter)?;
    let hub = Arc::downgrade(reactor.hub());
    signals.wake_main_thread_by(move || {
        if let Some(hub) = hub.upgrade() {
            hub.wake();
        }
    });
    ENGINE.set(Some(Rc::new(RefCell::new(Engine {
        reactor,
        events: Vec::new(),
        ready: VecDeque::new(),
        refused: Vec::new(),
    }))));
    boot.heartbeat.ready();
    let pulse = pulse(boot);
    let result = Python::attach(|py| {
        let mut looked = Instant::now();
        let mut end = None;
        loop {
            boot.heartbeat.beat();
            let now = Instant::now();
            if signals.stop() && end.is_none() {
                let graceful = Duration::from_secs(boot.settings.graceful_timeout.into());
                end = now.checked_add(graceful);
                with_engine(|engine| engine.stop())?;
            }
            signals.call_handlers(py, boot);
            if let Some(end) = end
                && (now >= end || with_engine(|engine| Ok(engine.is_done()))?)
            {
                return Ok(());
            }
            if now.duration_since(looked) >= pulse {
                looked = now;
                if boot.is_orphan() {
                    return Ok(());
                }
            }
            if let Some(log) = boot.access_log {
                log.flush();
            }
            py.detach(|| with_engine(|engine| engine.turn(pulse)))?;
            for refusal in with_engine(|engine| Ok(mem::take(&mut engine.refused)))? {
                service.note_refusal(&refusal);
            }
            // More come in meanwhile, and without an end: signals are looked
            // for in between.
            for _ in 0..with_engine(|engine| Ok(engine.ready.len()))? {
                if signals.stop() && end.is_none() {
                    break;
                }
                if let Some(exchange) = with_engine(|engine| Ok(engine.ready.pop_front()))? {
                    boot.heartbeat.beat();
                    service.respond(exchange);
                }
            }
        }
    });
    ENGINE.set(None);
    result
}

/// The reactor and what it has brought.
struct Engine {
    reactor: Reactor,
    events: Vec<Event>,
    /// Requests that wait for the app.
    ready: VecDeque<Exchange>,
    refused: Vec<Refusal>,
}

thread_local! {
    /// The engine of a worker's main thread.
    static ENGINE: RefCell<Option<Rc<RefCell<Engine>>>> = const { RefCell::new(None) };
}

fn with_engine<T>(act: impl FnOnce(&mut Engine) -> io::Result<T>) -> io::Result<T> {
    let engine = ENGINE.with_borrow(Option::clone);
    act(&mut engine
        .expect("this is the worker's main thread")
        .borrow_mut())
}

impl Engine {
    fn turn(&mut self, longest: Duration) -> io::Result<()> {
        let timeout = if self.ready.is_empty() {
            longest
        } else {
            Duration::ZERO
        };
        let result = self.reactor.turn(timeout, &mut self.events);
        self.sort();
        result
    }

    fn stop(&mut self) -> io::Result<()> {
        let result = self.reactor.stop(&mut self.events);
        self.sort();
        result
    }

    fn sort(&mut self) {
        for event in self.events.drain(..) {
            match event {
                Event::Request(exchange) => self.ready.push_back(exchange),
                Event::Refused(refusal) => self.refused.push(*refusal),
                // The app finds out by itself when it reads or writes.
                Event::Readable(_) | Event::Writable(_) | Event::HungUp(_) => {}
            }
        }
    }

    fn is_done(&self) -> bool {
        self.ready.is_empty() && self.reactor.connections() == 0
    }
}

/// Waits for the app's client, and meanwhile serves the network.
struct Meanwhile(Heartbeat);

impl Waiter for Meanwhile {
    fn wait(&self, socket: &Socket, ready: PollFlags, longest: Duration) -> io::Result<()> {
        self.0.beat();
        Python::attach(|py| {
            py.detach(|| match ENGINE.with_borrow(Option::is_some) {
                true => with_engine(|engine| engine.wait(socket, ready, longest)),
                // A thread of the app's own.
                false => Alone.wait(socket, ready, longest),
            })
        })
    }
}

impl Engine {
    fn wait(&mut self, socket: &Socket, ready: PollFlags, longest: Duration) -> io::Result<()> {
        let mut longest = longest;
        if let Some(deadline) = self.reactor.next_deadline() {
            longest = longest.min(deadline.saturating_duration_since(Instant::now()));
        }
        let mut events = [
            PollFd::new(socket.as_fd(), ready),
            PollFd::new(self.reactor.as_fd(), PollFlags::POLLIN),
        ];
        // Rounded up, lest the last millisecond be spent polling.
        let pause = PollTimeout::try_from(longest + Duration::from_millis(1));
        match poll(&mut events, pause.unwrap_or(PollTimeout::MAX)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        self.reactor.turn(Duration::ZERO, &mut self.events)?;
        self.sort();
        Ok(())
    }
}
