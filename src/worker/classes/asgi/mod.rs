//! The `asgi` worker: the app's asyncio loop watches the reactor's descriptor,
//! and each request becomes a task. The loop's half is `_rgunicorn.asgi`.

mod observer;
mod shared;

use super::life_signs::{network, pulse, rules};
use super::quota::Quota;
use super::turns::Turns;
use crate::asgi::{self, Application, Call};
use crate::exchange::{Exchange, Finished, WatchedRequest, send_page};
use crate::http::{Framing, Head, Status, Version};
use crate::websocket::{self, CloseCode, Handshake};
use crate::worker::boot::{Boot, Failure, log_for_python};
use crate::worker::network::{Event, Reactor, SocketWaiter};
use crate::worker::request::refusal::Refusal;
use crate::worker::signals::Signals;
use observer::Observer;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use shared::Shared;
use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The loop's half of the worker.
pub const MODULE: &str = "_rgunicorn.asgi";

/// Serves until a signal ends it or the parent is gone. `module` is
/// [`MODULE`], or another that can `run` apps of its kind.
pub fn serve(
    boot: &'static Boot,
    app: &Py<PyAny>,
    signals: &'static Signals,
    module: &str,
) -> Result<(), Failure> {
    // The app receives the body in parts and sends at the client's pace. A
    // task that waits costs nothing, so the server buffers neither.
    let mut rules = rules(boot);
    rules.body_before_app = 0;
    rules.buffer.file = 0;
    rules.http2.session.websockets = true;
    let reactor = network(boot, signals, rules, Box::new(SocketWaiter))
        .map_err(|error| Failure::Serving(error.to_string()))?;
    let shared = Arc::new(Shared {
        access_log: boot.access_log.as_deref(),
        heartbeat: boot.heartbeat.clone(),
        in_flight: Arc::clone(signals.in_flight()),
        calls: Mutex::default(),
        hook_calls: Mutex::default(),
        busy: AtomicBool::new(false),
    });
    let network = Network {
        boot,
        signals,
        reactor,
        shared: shared.clone(),
        events: Vec::new(),
        ready: Turns::default(),
        application: None,
        event_loop: None,
        timer: None,
        quota: Quota::of(boot),
    };
    Python::attach(|py| {
        let worker = AsgiWorker {
            network: RefCell::new(Some(network)),
        };
        let run = || -> PyResult<()> {
            let worker = Bound::new(py, worker)?;
            let settings = PyDict::new(py);
            let given = &boot.settings;
            settings.set_item("loop", given.workers.asgi_loop.as_str())?;
            settings.set_item("lifespan", given.workers.asgi_lifespan.as_str())?;
            settings.set_item("graceful_timeout", given.workers.graceful_timeout)?;
            settings.set_item("pulse", pulse(boot).as_secs_f64())?;
            settings.set_item("ping_interval", given.workers.websocket_ping_interval)?;
            let result = py
                .import(module)
                .and_then(|module| module.call_method1("run", (&worker, app, settings)));
            // The network and the calls end now. Python code may still have a
            // reference to the worker.
            worker.borrow().network.take();
            shared.calls().clear();
            result.map(drop)
        };
        run().map_err(|error| Failure::of_loop(py, MODULE, &error))
    })
}

/// How often the worker turns the reactor before the event loop may go on.
/// Without a limit, quick clients could keep the event loop from its other tasks
/// for ever.
const ROUNDS: u32 = 8;

/// How long the app is called for one request after another before the network and
/// the other tasks of the event loop have their turn.
const LONGEST_ROUND: Duration = Duration::from_millis(1);

struct Network {
    boot: &'static Boot,
    signals: &'static Signals,
    reactor: Reactor,
    shared: Arc<Shared>,
    events: Vec<Event>,
    /// Requests that wait for the app to be called.
    ready: Turns,
    application: Option<Application>,
    event_loop: Option<Py<PyAny>>,
    /// When the event loop's timer calls the worker next.
    timer: Option<Instant>,
    quota: Quota,
}

impl Network {
    /// Handles the events of the network until there are none, or the other
    /// tasks of the event loop have waited long enough.
    fn turn(&mut self, worker: &Bound<'_, AsgiWorker>) -> io::Result<()> {
        let py = worker.py();
        self.shared.busy.store(true, Ordering::Relaxed);
        let mut rounds = 0;
        let result = loop {
            if let Err(error) = self.reactor.turn(Duration::ZERO, &mut self.events) {
                break Err(error);
            }
            self.take_events(py);
            let is_late = !self.call_app(py);
            if !is_late && self.reactor.context().fall_asleep() {
                break Ok(());
            }
            rounds += 1;
            if is_late || rounds == ROUNDS {
                // The event loop calls this function again.
                self.reactor.context().wake();
                break Ok(());
            }
        };
        self.shared.busy.store(false, Ordering::Relaxed);
        let hook_calls = std::mem::take(&mut *self.shared.hook_calls());
        for call in hook_calls {
            call.watched.end(&Finished {
                head: call.head.as_ref(),
                keep_alive: call.keep_alive,
                ..Finished::own(0, call.body_bytes)
            });
        }
        if let Some(log) = self.shared.access_log {
            log.flush();
        }
        self.set_timer(worker);
        result
    }

    /// Calls the app for the requests that wait. False if it has taken so long that
    /// the rest has to wait: the network and other tasks have their turn first.
    fn call_app(&mut self, py: Python<'_>) -> bool {
        let mut begun = None;
        while !self.ready.is_empty() {
            let now = Instant::now();
            if now - *begun.get_or_insert(now) >= LONGEST_ROUND {
                return false;
            }
            if let Some(exchange) = self.ready.pop() {
                self.request(py, exchange, now);
            }
        }
        true
    }

    fn take_events(&mut self, py: Python<'_>) {
        let mut events = std::mem::take(&mut self.events);
        for event in events.drain(..) {
            match event {
                Event::Request(exchange) => self.ready.push(exchange),
                Event::Readable(key) | Event::Writable(key) => self.tell_ready(py, key),
                Event::HungUp(key) => self.hung_up(py, key),
                Event::Refused(refusal) => self.note_refusal(&refusal),
            }
        }
        self.events = events;
    }

    fn tell_ready(&self, py: Python<'_>, key: u64) {
        let call = self.shared.calls().get(&key).cloned();
        if let Some(call) = call {
            call.ready(py);
        }
    }

    fn hung_up(&self, py: Python<'_>, key: u64) {
        let grace = self.boot.settings.workers.asgi_disconnect_grace_period;
        let call = self.shared.calls().get(&key).cloned();
        let Some(call) = call else { return };
        call.hung_up(py);
        if grace == 0 {
            return call.cancel_if_cut_off(py);
        }
        if let Some(event_loop) = &self.event_loop
            && let Ok(overdue) = Bound::new(py, Overdue(call))
            && let Err(error) =
                event_loop.call_method1(py, intern!(py, "call_later"), (grace, overdue))
        {
            error.write_unraisable(py, None);
        }
    }

    /// Calls the app for a request. `called` is the present time.
    fn request(&mut self, py: Python<'_>, exchange: Exchange, called: Instant) {
        let Some(application) = &self.application else {
            return;
        };
        let head = &exchange.head;
        let handshake = match handshake_of(head).transpose() {
            Ok(handshake) => handshake,
            Err(why) => return self.refuse(exchange, why),
        };
        self.shared
            .heartbeat
            .begin_request(&[head.method(), b" ", head.target()]);
        let key = exchange.stream().key();
        let watched = match self.watch(&exchange) {
            Ok(watched) => watched,
            Err(error) => {
                let line = [head.method(), b" ", head.target()].concat();
                let line = String::from_utf8_lossy(&line);
                ::log::error!("Error handling request {line}\n{error}");
                let observer = Observer::new(&exchange, self.shared.clone(), None, called);
                return asgi::fail(exchange, observer, Status::SERVER_ERROR);
            }
        };
        let observer = Observer::new(&exchange, self.shared.clone(), watched, called);
        let call = match handshake {
            Some(handshake) => application.websocket(py, exchange, handshake, observer),
            None => application.http(py, exchange, observer),
        };
        if !call.is_finished() {
            self.shared.calls().insert(key, call);
        }
        self.quota.count(&self.shared.heartbeat);
    }

    /// Calls the hook `pre_request`, if the config file has hooks for requests.
    fn watch(&self, exchange: &Exchange) -> PyResult<Option<WatchedRequest<'static>>> {
        match self.boot.hooks.watch_requests() {
            true => WatchedRequest::begin(&self.boot.hooks, exchange, None).map(Some),
            false => Ok(None),
        }
    }

    /// Logs a request that the server has answered itself.
    fn note_refusal(&self, refusal: &Refusal) {
        if let Some(log) = self.shared.access_log {
            refusal.log(log);
        }
    }

    /// Answers an invalid WebSocket handshake.
    fn refuse(&self, mut exchange: Exchange, why: websocket::Refusal) {
        let version = ("Sec-WebSocket-Version", "13");
        let (status, fields) = match why {
            // HTTP/2 has no upgrade that could be required.
            websocket::Refusal::Version if exchange.head.protocol().is_some() => {
                (Status::BAD_REQUEST, &[version][..])
            }
            websocket::Refusal::Version => (
                Status::UPGRADE_REQUIRED,
                &[("Upgrade", "websocket"), version][..],
            ),
            websocket::Refusal::Key => (Status::BAD_REQUEST, &[][..]),
        };
        let mut refusal = Refusal::of_exchange(&mut exchange);
        ::log::warn!(
            "Invalid request from ip={}{}: {why}",
            exchange.client().address,
            refusal.note()
        );
        let stream = exchange.stream();
        let board = self.shared.heartbeat.board();
        let page = refusal.answer(board, stream.rules(), status, &why.to_string(), fields);
        let _ = send_page(&**stream, &page);
        exchange.finish(false);
        self.note_refusal(&refusal);
    }

    /// Has the event loop call the worker at the next deadline.
    fn set_timer(&mut self, worker: &Bound<'_, AsgiWorker>) {
        let Some(deadline) = self.reactor.next_deadline() else {
            return;
        };
        if self.timer.is_some_and(|timer| timer <= deadline) {
            return;
        }
        let Some(event_loop) = &self.event_loop else {
            return;
        };
        self.timer = Some(deadline);
        let py = worker.py();
        let delay = deadline
            .saturating_duration_since(Instant::now())
            .as_secs_f64();
        let set = worker
            .getattr(intern!(py, "timer_turn"))
            .and_then(|turn| event_loop.call_method1(py, intern!(py, "call_later"), (delay, turn)));
        if let Err(error) = set {
            error.write_unraisable(py, None);
        }
    }

    fn websockets(&self) -> Vec<Arc<Call>> {
        let calls = self.shared.calls();
        let websockets = calls.values().filter(|call| call.is_websocket());
        websockets.cloned().collect()
    }
}

/// The WebSocket handshake that a request is, if it is one. HTTP/1.0 has no `Upgrade`
/// (RFC 9110 section 7.8). A request with a body is no handshake: the bytes of the body
/// would be read as frames.
fn handshake_of(head: &Head) -> Option<Result<Handshake, websocket::Refusal>> {
    // There is no other protocol.
    if head.protocol().is_some() {
        return Some(Handshake::read_connect(head.fields()));
    }
    let asks = head.version() == Version::Http11
        && head.framing() == Framing::Length(0)
        && websocket::is_upgrade(head.method(), head.fields());
    asks.then(|| Handshake::read(head.fields()))
}

/// The methods that the Python half of the worker calls.
#[pyclass(unsendable, module = "rgunicorn")]
struct AsgiWorker {
    /// Nothing after the worker has ended.
    network: RefCell<Option<Network>>,
}

impl AsgiWorker {
    fn with<T>(&self, act: impl FnOnce(&mut Network) -> T) -> Option<T> {
        // It is borrowed if an app runs the loop within a callback.
        let mut network = self.network.try_borrow_mut().ok()?;
        network.as_mut().map(act)
    }
}

#[pymethods]
impl AsgiWorker {
    fn stop_descriptor(&self) -> Option<i32> {
        self.with(|network| network.signals.as_fd().as_raw_fd())
    }

    fn descriptor(&self) -> Option<i32> {
        self.with(|network| network.reactor.as_fd().as_raw_fd())
    }

    /// Starts to handle requests: the app has started.
    fn start(
        this: &Bound<'_, Self>,
        app: Bound<'_, PyAny>,
        event_loop: Bound<'_, PyAny>,
        state: Option<Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let started = this.borrow().with(|network| -> PyResult<()> {
            let settings = &network.boot.settings;
            let settings = asgi::AppOptions {
                root_path: settings.mechanics.root_path.clone(),
                websocket_max_message_size: match settings.workers.websocket_max_message_size {
                    0 => usize::MAX,
                    size => size as usize,
                },
            };
            network.application = Some(Application::new(app, &event_loop, state, settings)?);
            network.event_loop = Some(event_loop.unbind());
            network.shared.heartbeat.ready();
            Ok(())
        });
        started.transpose().map(drop)
    }

    fn turn(this: &Bound<'_, Self>) -> PyResult<()> {
        let worker = this.borrow();
        let turned = worker.with(|network| network.turn(this));
        Ok(turned.transpose().map(drop)?)
    }

    fn timer_turn(this: &Bound<'_, Self>) -> PyResult<()> {
        this.borrow().with(|network| network.timer = None);
        Self::turn(this)
    }

    /// Tells the master that the worker is alive. True if the worker must stop,
    /// because the master has ended.
    fn beat(&self) -> bool {
        self.with(|network| network.boot.beat()).unwrap_or(false)
    }

    /// Sends a ping to the clients of all WebSockets.
    fn ping(&self, py: Python<'_>) {
        for call in self
            .with(|network| network.websockets())
            .unwrap_or_default()
        {
            call.ping(py);
        }
    }

    /// Stops accepting connections, and closes WebSockets with the code that
    /// asks clients to connect again.
    fn stop(this: &Bound<'_, Self>) -> PyResult<()> {
        let py = this.py();
        let worker = this.borrow();
        let stopped = worker.with(|network| {
            let result = network.reactor.stop(&mut network.events);
            network.take_events(py);
            for call in network.websockets() {
                call.close(py, CloseCode::RESTART, "the server restarts");
            }
            result
        });
        stopped.transpose()?;
        Self::turn(this)
    }

    /// True while there are connections, or the app handles requests.
    fn is_busy(&self) -> bool {
        let busy = self.with(|network| {
            let running = network.application.as_ref().map_or(0, Application::running);
            running > 0 || network.reactor.connections() > 0 || !network.ready.is_empty()
        });
        busy.unwrap_or(false)
    }

    /// The app has called `sys.exit()` or the like: see
    /// [`Signals::app_ends_worker`].
    fn app_ends_it(&self, why: &str) {
        self.with(|network| {
            network
                .signals
                .app_ends_worker(&network.boot.heartbeat, why);
        });
    }

    fn log(&self, level: &str, text: &str) {
        log_for_python(level, text);
    }
}

/// Cancels a call whose client has gone, if the call has not ended in time.
#[pyclass(frozen, module = "rgunicorn")]
struct Overdue(Arc<Call>);

#[pymethods]
impl Overdue {
    fn __call__(&self, py: Python<'_>) {
        self.0.cancel_if_cut_off(py);
    }
}
