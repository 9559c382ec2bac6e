//! The `gthread` worker: threads take requests from one queue.
//!
//! One thread at a time is the leader: it turns the reactor, and then handles
//! the received requests itself, so that a quick app needs no switch between
//! threads. When the app keeps the leader longer than [`LEADER_TIME`], another
//! thread becomes the leader; if requests are slow on average, this happens at
//! once. The main thread checks for this, and is the leader while all other
//! threads are busy.

use super::life_signs::{LifeSigns, Next, network, pulse, rules};
use super::turns::Turns;
use super::wsgi_service::WsgiService;
use crate::exchange::Exchange;
use crate::python;
use crate::scoreboard::Gauge;
use crate::system::lock;
use crate::worker::boot::Boot;
use crate::worker::network::{Context, Event, Reactor, SocketWaiter, Waiter};
use crate::worker::request::in_flight::ServedBy;
use crate::worker::signals::Signals;
use crate::wsgi::Application;
use nix::poll::PollFlags;
use pyo3::prelude::*;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long the app may keep the leader before another thread becomes the
/// leader.
const LEADER_TIME: Duration = Duration::from_millis(1);

/// After so many checks without a request the main thread checks less often.
const QUIET_CHECKS: u32 = 20;

/// Microseconds. If requests take longer on average, a switch between threads
/// is cheap in comparison.
const SLOW_MICROS: u64 = 300;

/// Serves until a signal ends the worker or the master has ended.
///
/// # Errors
/// epoll does not work, or the system has no threads left.
pub fn serve(
    boot: &'static Boot,
    application: Arc<Application>,
    signals: &'static Signals,
) -> io::Result<()> {
    let reactor = network(boot, signals, rules(boot), Box::new(WithoutGil))?;
    let pool = Pool {
        boot,
        signals,
        service: WsgiService::new(boot, application, signals, ServedBy::Thread),
        context: Arc::clone(reactor.context()),
        network: Mutex::new(GthreadNetwork {
            reactor,
            events: Vec::new(),
        }),
        state: Arc::default(),
        work: Condvar::new(),
        watch: Arc::default(),
        average: AtomicU64::new(0),
    };
    signals.set_wake_main_thread(pool.main_thread_waker());
    let threads = boot.settings.workers.threads.max(1);
    let pool = &pool;
    let board = boot.heartbeat.board();
    board.set(Gauge::Capacity, threads.into());
    boot.heartbeat.ready();
    Python::attach(|py| {
        py.detach(|| {
            thread::scope(|scope| {
                for number in 0..threads {
                    let name = format!("ThreadPoolExecutor-0_{number}");
                    let started =
                        python::thread(&name).spawn_scoped(scope, move || pool.work(&name));
                    if let Err(error) = started {
                        pool.end(Err(error));
                    }
                }
                pool.watch();
            });
        });
    });
    pool.lock().failure.take().map_or(Ok(()), Err)
}

struct Pool {
    boot: &'static Boot,
    signals: &'static Signals,
    service: WsgiService,
    context: Arc<Context>,
    /// Only the leader locks it.
    network: Mutex<GthreadNetwork>,
    /// Never locked while a thread waits for the GIL, which another may hold
    /// while it waits for this lock.
    state: Arc<Mutex<PoolState>>,
    /// Notified when an idle thread should look for work.
    work: Condvar,
    /// Notified when the main thread should check the pool.
    watch: Arc<Condvar>,
    /// Microseconds that a request takes on average.
    average: AtomicU64,
}

struct GthreadNetwork {
    reactor: Reactor,
    events: Vec<Event>,
}

#[derive(Default)]
struct PoolState {
    ready: Turns,
    /// How many requests were taken from `ready` so far.
    taken: u64,
    /// Threads without work.
    idle: usize,
    has_leader: bool,
    /// True while the main thread is the leader.
    main_is_leader: bool,
    /// True while the main thread checks the pool every [`LEADER_TIME`].
    watching: bool,
    /// True if a signal has come for which the app may have a handler.
    signalled: bool,
    ended: bool,
    failure: Option<io::Error>,
}

impl Pool {
    /// The work of one thread of the pool.
    fn work(&self, name: &str) {
        Python::attach(|py| {
            // Python makes a thread object for a thread that it has not
            // started.
            if let Ok(thread) = py
                .import("threading")
                .and_then(|threading| threading.call_method0("current_thread"))
            {
                let _ = thread.setattr("name", name);
            }
            while let Some(exchange) = self.next(py) {
                let begin = Instant::now();
                self.service.respond(exchange, begin);
                self.record_time(begin.elapsed());
            }
        });
    }

    /// The next request; nothing at the end.
    fn next(&self, py: Python<'_>) -> Option<Exchange> {
        let mut state = self.lock();
        loop {
            if let Some(exchange) = state.ready.pop() {
                state.taken += 1;
                self.publish_waiting(&state);
                return Some(exchange);
            }
            if state.ended {
                return None;
            }
            if !state.has_leader {
                state.has_leader = true;
                drop(state);
                py.detach(|| self.lead());
                state = self.lock();
                continue;
            }
            if state.main_is_leader {
                self.context.wake();
            }
            state.idle += 1;
            drop(state);
            py.detach(|| {
                let mut state = self.lock();
                while state.ready.is_empty() && state.has_leader && !state.ended {
                    state = self
                        .work
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                state.idle -= 1;
            });
            state = self.lock();
        }
    }

    /// Turns the reactor once, without the GIL.
    fn lead(&self) {
        self.boot.heartbeat.beat();
        self.boot.flush_access_log();
        let mut network = lock(&self.network);
        let GthreadNetwork { reactor, events } = &mut *network;
        let mut turned = match self.signals.stop() {
            true => reactor.stop(events),
            false => Ok(()),
        };
        let is_done = |reactor: &Reactor| self.context.is_stopping() && reactor.connections() == 0;
        // After the last connection there is nothing to wait for.
        if turned.is_ok() && !is_done(reactor) {
            turned = reactor.turn(pulse(self.boot), events);
        }
        let mut state = self.lock();
        for event in events.drain(..) {
            match event {
                Event::Request(exchange) => state.ready.push(exchange),
                Event::Refused(refusal) => self.service.log_refusal(&refusal),
                // The app notices these when it reads or writes.
                Event::Readable(_) | Event::Writable(_) | Event::HungUp(_) => {}
            }
        }
        let done = is_done(reactor);
        state.has_leader = false;
        self.publish_waiting(&state);
        let requests = state.ready.len();
        if requests > 0 && !state.watching {
            state.watching = true;
            self.watch.notify_one();
        }
        // The leader takes one of the requests itself, and is not the leader
        // any more.
        let slow = self.average.load(Ordering::Relaxed) > SLOW_MICROS;
        let wanted = match (slow, state.main_is_leader) {
            (true, _) => requests,
            (false, true) => 1,
            (false, false) => 0,
        };
        for _ in 0..wanted.min(state.idle) {
            self.work.notify_one();
        }
        drop(state);
        if let Err(error) = turned {
            self.end(Err(error));
        } else if done {
            self.end(Ok(()));
        }
    }

    /// A function that wakes the main thread for the app's signal handlers.
    fn main_thread_waker(&self) -> impl Fn() + Send + Sync + 'static {
        let context = Arc::downgrade(&self.context);
        let (state, watch) = (Arc::downgrade(&self.state), Arc::clone(&self.watch));
        move || {
            let (Some(context), Some(state)) = (context.upgrade(), state.upgrade()) else {
                return;
            };
            let mut state = lock(&state);
            state.signalled = true;
            if state.main_is_leader {
                context.wake();
            }
            drop(state);
            watch.notify_all();
        }
    }

    /// The work of the main thread: it makes sure that there is always a
    /// leader, and ends the worker.
    fn watch(&self) {
        let mut life_signs = LifeSigns::new(self.boot, self.signals);
        let (mut taken, mut quiet_checks, mut waits_long) = (0, 0, true);
        loop {
            match life_signs.next() {
                Next::GoOn | Next::Stop => {}
                Next::End => return self.end(Ok(())),
                Next::Orphaned => {
                    self.signals.in_flight().end_upgraded();
                    return self.end(Ok(()));
                }
            }
            let mut state = self.lock();
            if state.ended {
                return;
            }
            if std::mem::take(&mut state.signalled) {
                drop(state);
                Python::attach(|py| self.signals.call_handlers(py, &self.boot.heartbeat));
                continue;
            }
            // A main thread that was just woken has not waited for LEADER_TIME
            // yet.
            let woken = waits_long && state.watching;
            if woken {
                quiet_checks = 0;
            }
            waits_long = !state.watching;
            let nothing_taken = state.taken == taken && !woken;
            taken = state.taken;
            quiet_checks = if nothing_taken && state.has_leader {
                quiet_checks + 1
            } else {
                0
            };
            if nothing_taken && !state.has_leader {
                if state.idle > 0 {
                    self.work.notify_one();
                } else {
                    state.has_leader = true;
                    state.main_is_leader = true;
                    drop(state);
                    self.lead();
                    self.lock().main_is_leader = false;
                    continue;
                }
            }
            let pause = match quiet_checks {
                0..QUIET_CHECKS => LEADER_TIME,
                _ => {
                    state.watching = false;
                    waits_long = true;
                    pulse(self.boot)
                }
            };
            let waited = self.watch.wait_timeout(state, pause);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }

    fn end(&self, result: io::Result<()>) {
        let mut state = self.lock();
        state.ended = true;
        state.failure = result.err().or(state.failure.take());
        drop(state);
        self.work.notify_all();
        self.watch.notify_all();
        self.context.wake();
    }

    fn record_time(&self, time: Duration) {
        let micros = time.as_micros() as u64;
        let average = self.average.load(Ordering::Relaxed);
        let average = (average * 7 + micros) / 8;
        self.average.store(average, Ordering::Relaxed);
    }

    fn publish_waiting(&self, state: &PoolState) {
        let board = self.boot.heartbeat.board();
        board.set(Gauge::Waiting, state.ready.len() as u64);
    }

    fn lock(&self) -> MutexGuard<'_, PoolState> {
        lock(&self.state)
    }
}

/// Waits for a client without the GIL, so that other threads run.
struct WithoutGil;

impl Waiter for WithoutGil {
    fn wait(&self, on: BorrowedFd<'_>, ready: PollFlags, longest: Duration) -> io::Result<()> {
        Python::attach(|py| py.detach(|| SocketWaiter.wait(on, ready, longest)))
    }
}
