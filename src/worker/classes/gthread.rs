//! The `gthread` worker: threads take whole requests from one queue.
//!
//! One thread at a time leads: it turns the reactor, then takes the requests
//! that came as if it were alone, so that a quick app costs no switch between
//! threads. When the app keeps it longer than a moment, another thread takes
//! the lead; where the app is slow as a rule, that happens at once. The main
//! thread watches for such moments and leads itself while all others are busy.

use super::life_signs::{LifeSigns, Next, network, pulse, rules};
use super::wsgi_service::WsgiService;
use crate::exchange::Exchange;
use crate::python;
use crate::worker::boot::Boot;
use crate::worker::network::{Context, Event, Reactor, SocketWaiter, Waiter};
use crate::worker::signals::Signals;
use crate::wsgi::Application;
use nix::poll::PollFlags;
use pyo3::prelude::*;
use socket2::Socket;
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long the app may keep the leader before another thread leads.
const MOMENT: Duration = Duration::from_millis(1);

/// After so many moments without a request the watch sleeps.
const QUIET_MOMENTS: u32 = 20;

/// An app whose requests take longer than this, on average, is slow: then a
/// switch between threads is cheap in comparison.
const SLOW_MICROS: u64 = 300;

/// Serves until a signal ends it or the parent is gone.
///
/// # Errors
/// epoll does not work, or there can be no threads.
pub fn serve(
    boot: &'static Boot,
    application: Arc<Application>,
    signals: &'static Signals,
) -> io::Result<()> {
    let reactor = network(boot, signals, rules(boot), Box::new(WithoutGil))?;
    let pool = Pool {
        boot,
        signals,
        service: WsgiService::new(boot, application, signals),
        context: Arc::clone(reactor.context()),
        network: Mutex::new(Network {
            reactor,
            events: Vec::new(),
        }),
        state: Arc::default(),
        work: Condvar::new(),
        watch: Arc::default(),
        average: AtomicU64::new(0),
    };
    signals.set_wake_main_thread(pool.alarm());
    let threads = boot.settings.threads.max(1);
    let pool = &pool;
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
    /// Only who leads locks it.
    network: Mutex<Network>,
    /// Never locked while waiting for the GIL, which the others may hold.
    state: Arc<Mutex<PoolState>>,
    /// There is work for a thread that has none.
    work: Condvar,
    /// The main thread has something to watch.
    watch: Arc<Condvar>,
    /// Microseconds that a request takes, on average.
    average: AtomicU64,
}

struct Network {
    reactor: Reactor,
    events: Vec<Event>,
}

#[derive(Default)]
struct PoolState {
    ready: VecDeque<Exchange>,
    /// Requests that were taken from `ready`.
    taken: u64,
    /// Threads without work.
    idle: usize,
    leading: bool,
    /// True while it is the main thread that leads.
    main_leads: bool,
    /// True while the main thread watches.
    watching: bool,
    /// A signal has come, for which the app may have a handler.
    signalled: bool,
    over: bool,
    failure: Option<io::Error>,
}

impl Pool {
    /// The life of one of the threads.
    fn work(&self, name: &str) {
        Python::attach(|py| {
            // Python makes an object for a thread that it has not started.
            if let Ok(thread) = py
                .import("threading")
                .and_then(|threading| threading.call_method0("current_thread"))
            {
                let _ = thread.setattr("name", name);
            }
            while let Some(exchange) = self.next(py) {
                let begin = Instant::now();
                self.service.respond(exchange);
                self.note_time(begin.elapsed());
            }
        });
    }

    /// The next request; nothing at the end.
    fn next(&self, py: Python<'_>) -> Option<Exchange> {
        let mut state = self.lock();
        loop {
            if let Some(exchange) = state.ready.pop_front() {
                state.taken += 1;
                return Some(exchange);
            }
            if state.over {
                return None;
            }
            if !state.leading {
                state.leading = true;
                drop(state);
                py.detach(|| self.lead());
                state = self.lock();
                continue;
            }
            if state.main_leads {
                self.context.wake();
            }
            state.idle += 1;
            drop(state);
            py.detach(|| {
                let mut state = self.lock();
                while state.ready.is_empty() && state.leading && !state.over {
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
        let mut network = self.network.lock().unwrap_or_else(PoisonError::into_inner);
        let Network { reactor, events } = &mut *network;
        let mut turned = match self.signals.stop() {
            true => reactor.stop(events),
            false => Ok(()),
        };
        let is_done = |reactor: &Reactor| self.context.is_stopping() && reactor.connections() == 0;
        // There is nothing to wait for after the last connection.
        if turned.is_ok() && !is_done(reactor) {
            turned = reactor.turn(pulse(self.boot), events);
        }
        let mut state = self.lock();
        for event in events.drain(..) {
            match event {
                Event::Request(exchange) => state.ready.push_back(exchange),
                Event::Refused(refusal) => self.service.note_refusal(&refusal),
                // The app finds out by itself when it reads or writes.
                Event::Readable(_) | Event::Writable(_) | Event::HungUp(_) => {}
            }
        }
        let done = is_done(reactor);
        state.leading = false;
        let requests = state.ready.len();
        if requests > 0 && !state.watching {
            state.watching = true;
            self.watch.notify_one();
        }
        // The leader takes one of the requests, and leaves the lead.
        let slow = self.average.load(Ordering::Relaxed) > SLOW_MICROS;
        let wanted = match (slow, state.main_leads) {
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

    /// Wakes the main thread, whatever it does, for the app's signal handlers.
    fn alarm(&self) -> impl Fn() + Send + Sync + 'static {
        let context = Arc::downgrade(&self.context);
        let (state, watch) = (Arc::downgrade(&self.state), Arc::clone(&self.watch));
        move || {
            let (Some(context), Some(state)) = (context.upgrade(), state.upgrade()) else {
                return;
            };
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.signalled = true;
            if state.main_leads {
                context.wake();
            }
            drop(state);
            watch.notify_all();
        }
    }

    /// The main thread's part: to see that there is always one who leads, and
    /// the end.
    fn watch(&self) {
        let mut life = LifeSigns::new(self.boot, self.signals);
        let (mut taken, mut quiet, mut asleep) = (0, 0, true);
        loop {
            match life.next() {
                Next::GoOn | Next::Stop => {}
                Next::End => return self.end(Ok(())),
                Next::Orphaned => {
                    self.signals.in_flight().end_upgraded();
                    return self.end(Ok(()));
                }
            }
            let mut state = self.lock();
            if state.over {
                return;
            }
            if std::mem::take(&mut state.signalled) {
                drop(state);
                Python::attach(|py| self.signals.call_handlers(py, &self.boot.heartbeat));
                continue;
            }
            // Who was just woken has not seen a moment pass yet.
            let woken = asleep && state.watching;
            if woken {
                quiet = 0;
            }
            asleep = !state.watching;
            let still = state.taken == taken && !woken;
            taken = state.taken;
            quiet = if still && state.leading { quiet + 1 } else { 0 };
            if still && !state.leading {
                if state.idle > 0 {
                    self.work.notify_one();
                } else {
                    state.leading = true;
                    state.main_leads = true;
                    drop(state);
                    self.lead();
                    self.lock().main_leads = false;
                    continue;
                }
            }
            let pause = match quiet {
                0..QUIET_MOMENTS => MOMENT,
                _ => {
                    state.watching = false;
                    asleep = true;
                    pulse(self.boot)
                }
            };
            let waited = self.watch.wait_timeout(state, pause);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }

    fn end(&self, result: io::Result<()>) {
        let mut state = self.lock();
        state.over = true;
        state.failure = result.err().or(state.failure.take());
        drop(state);
        self.work.notify_all();
        self.watch.notify_all();
        self.context.wake();
    }

    fn note_time(&self, time: Duration) {
        let micros = time.as_micros() as u64;
        let average = self.average.load(Ordering::Relaxed);
        let average = (average * 7 + micros) / 8;
        self.average.store(average, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for a client while the other threads go on.
struct WithoutGil;

impl Waiter for WithoutGil {
    fn wait(&self, socket: &Socket, ready: PollFlags, longest: Duration) -> io::Result<()> {
        Python::attach(|py| py.detach(|| SocketWaiter.wait(socket, ready, longest)))
    }
}
