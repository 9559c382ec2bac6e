//! The `sync` worker: the app runs in the reactor's thread, one request at a
//! time. While the app waits for its client, the network goes on.

use super::life_signs::{LifeSigns, Next, network, pulse, rules};
use super::turns::Turns;
use super::wsgi_service::WsgiService;
use crate::exchange::Exchange;
use crate::scoreboard::Gauge;
use crate::worker::boot::Boot;
use crate::worker::network::{Event, Reactor, Rules, SocketWaiter, Waiter, poll_for};
use crate::worker::request::in_flight::ServedBy;
use crate::worker::request::refusal::Refusal;
use crate::worker::shared::Heartbeat;
use crate::worker::signals::Signals;
use crate::wsgi::Application;
use nix::poll::{PollFd, PollFlags};
use pyo3::prelude::*;
use std::cell::RefCell;
use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the app handles requests, one after another, before the network has its
/// turn.
const LONGEST_ROUND: Duration = Duration::from_millis(1);

/// Serves until a signal ends the worker or the master has ended.
///
/// # Errors
/// epoll does not work.
pub fn serve(
    boot: &'static Boot,
    application: Arc<Application>,
    signals: &'static Signals,
) -> io::Result<()> {
    let service = WsgiService::new(boot, application, signals, ServedBy::Thread);
    let rules = Rules {
        one_at_a_time: true,
        ..rules(boot)
    };
    let waiter = Box::new(NetworkWaiter(boot.heartbeat.clone()));
    let reactor = network(boot, signals, rules, waiter)?;
    let context = Arc::downgrade(reactor.context());
    signals.set_wake_main_thread(move || {
        if let Some(context) = context.upgrade() {
            context.wake();
        }
    });
    NETWORK.set(Some(Rc::new(RefCell::new(SyncNetwork {
        reactor,
        events: Vec::new(),
        ready: Turns::default(),
        refused: Vec::new(),
    }))));
    boot.heartbeat.board().set(Gauge::Capacity, 1);
    boot.heartbeat.ready();
    let result = Python::attach(|py| run(py, boot, signals, &service));
    NETWORK.set(None);
    result
}

fn run(
    py: Python<'_>,
    boot: &'static Boot,
    signals: &'static Signals,
    service: &WsgiService,
) -> io::Result<()> {
    let mut life_signs = LifeSigns::new(boot, signals);
    loop {
        let next = life_signs.next();
        if next == Next::Stop {
            with_network(SyncNetwork::stop)?;
        }
        signals.call_handlers(py, &boot.heartbeat);
        let is_done = life_signs.is_stopping() && with_network(|it| Ok(it.is_done()))?;
        if is_done || matches!(next, Next::End | Next::Orphaned) {
            return Ok(());
        }
        boot.flush_access_log();
        py.detach(|| with_network(|network| network.turn(pulse(boot))))?;
        for refusal in with_network(|network| Ok(mem::take(&mut network.refused)))? {
            service.log_refusal(&refusal);
        }
        // Only the requests that are there now: more arrive all the time, and
        // signals must be checked in between. And not for long: other clients may
        // have come, and answers wait to be sent.
        let turned = Instant::now();
        for _ in 0..with_network(|network| Ok(network.ready.len()))? {
            let called = Instant::now();
            if life_signs.has_stop() || called - turned >= LONGEST_ROUND {
                break;
            }
            if let Some(exchange) = with_network(|network| Ok(network.take_request()))? {
                boot.heartbeat.beat();
                service.respond(exchange, called);
            }
        }
    }
}

/// The reactor, and the requests that it has received.
struct SyncNetwork {
    reactor: Reactor,
    events: Vec<Event>,
    /// Requests that wait for the app.
    ready: Turns,
    refused: Vec<Refusal>,
}

thread_local! {
    /// The network of a worker's main thread.
    static NETWORK: RefCell<Option<Rc<RefCell<SyncNetwork>>>> = const { RefCell::new(None) };
}

fn with_network<T>(act: impl FnOnce(&mut SyncNetwork) -> io::Result<T>) -> io::Result<T> {
    let network = NETWORK.with_borrow(Option::clone);
    act(&mut network
        .expect("this is the worker's main thread")
        .borrow_mut())
}

impl SyncNetwork {
    fn turn(&mut self, longest: Duration) -> io::Result<()> {
        let timeout = if self.ready.is_empty() {
            longest
        } else {
            Duration::ZERO
        };
        let result = self.reactor.turn(timeout, &mut self.events);
        self.sort_events();
        result
    }

    fn stop(&mut self) -> io::Result<()> {
        let result = self.reactor.stop(&mut self.events);
        self.sort_events();
        result
    }

    fn take_request(&mut self) -> Option<Exchange> {
        let exchange = self.ready.pop();
        self.publish_waiting();
        exchange
    }

    fn publish_waiting(&self) {
        let board = self.reactor.context().rules.board();
        board.set(Gauge::Waiting, self.ready.len() as u64);
    }

    fn sort_events(&mut self) {
        for event in self.events.drain(..) {
            match event {
                Event::Request(exchange) => self.ready.push(exchange),
                Event::Refused(refusal) => self.refused.push(*refusal),
                // The app notices these when it reads or writes.
                Event::Readable(_) | Event::Writable(_) | Event::HungUp(_) => {}
            }
        }
        self.publish_waiting();
    }

    fn is_done(&self) -> bool {
        self.ready.is_empty() && self.reactor.connections() == 0
    }
}

/// Waits for the app's client, and serves the network meanwhile.
struct NetworkWaiter(Heartbeat);

impl Waiter for NetworkWaiter {
    fn wait(&self, on: BorrowedFd<'_>, ready: PollFlags, longest: Duration) -> io::Result<()> {
        self.0.beat();
        Python::attach(|py| {
            py.detach(|| match NETWORK.with_borrow(Option::is_some) {
                true => with_network(|network| network.wait(on, ready, longest)),
                // A thread that the app has started.
                false => SocketWaiter.wait(on, ready, longest),
            })
        })
    }
}

impl SyncNetwork {
    fn wait(&mut self, on: BorrowedFd<'_>, ready: PollFlags, longest: Duration) -> io::Result<()> {
        let mut longest = longest;
        if let Some(deadline) = self.reactor.next_deadline() {
            longest = longest.min(deadline.saturating_duration_since(Instant::now()));
        }
        let mut events = [
            PollFd::new(on, ready),
            PollFd::new(self.reactor.as_fd(), PollFlags::POLLIN),
        ];
        poll_for(&mut events, longest)?;
        self.reactor.turn(Duration::ZERO, &mut self.events)?;
        self.sort_events();
        Ok(())
    }
}
