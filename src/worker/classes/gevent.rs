//! The `gevent` worker: each request is a greenlet's, and gevent's hub watches
//! the reactor's descriptor. The hub's half is `_rgunicorn.gevent`.

use super::life_signs::{network, pulse, rules};
use super::wsgi_service::WsgiService;
use crate::exchange::Exchange;
use crate::worker::boot::{Boot, Failure, log_for_python};
use crate::worker::network::{Event, Reactor, Waiter};
use crate::worker::signals::Signals;
use crate::wsgi::Application;
use nix::poll::PollFlags;
use pyo3::intern;
use pyo3::prelude::*;
use socket2::Socket;
use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const MODULE: &str = "_rgunicorn.gevent";

/// Makes the standard library cooperate. The app is imported after that.
pub fn patch() -> Result<(), Failure> {
    Python::attach(|py| {
        let patched = py.import(MODULE).and_then(|it| it.call_method0("patch"));
        patched
            .map(drop)
            .map_err(|error| Failure::of_loop(py, MODULE, &error))
    })
}

/// The app with the WebSockets of the package gevent-websocket.
pub fn with_websockets(app: &Py<PyAny>) -> Result<Py<PyAny>, Failure> {
    Python::attach(|py| {
        let module = py.import("_rgunicorn.gevent_websocket");
        let wrapped = module.and_then(|it| it.call_method1("wrap", (app,)));
        wrapped
            .map(Bound::unbind)
            .map_err(|error| Failure::of_loop(py, MODULE, &error))
    })
}

/// Serves until a signal ends it or the parent is gone.
pub fn serve(
    boot: &'static Boot,
    application: Arc<Application>,
    signals: &'static Signals,
) -> Result<(), Failure> {
    let reactor = network(boot, signals, rules(boot), Box::new(GreenletWaiter))
        .map_err(|error| Failure::Serving(error.to_string()))?;
    let network = Network {
        boot,
        signals,
        reactor,
        service: Arc::new(WsgiService::new(boot, application, signals)),
        events: Vec::new(),
    };
    Python::attach(|py| {
        let run = || -> PyResult<()> {
            let network = RefCell::new(Some(network));
            let worker = Bound::new(py, GeventWorker { network })?;
            let pulse = pulse(boot).as_secs_f64();
            let graceful = boot.settings.graceful_timeout;
            let ran = py
                .import(MODULE)?
                .call_method1("run", (&worker, pulse, graceful));
            worker.borrow().network.take();
            ran.map(drop)
        };
        run().map_err(|error| Failure::of_loop(py, MODULE, &error))
    })
}

/// Waits for a client by letting other greenlets run.
struct GreenletWaiter;

impl Waiter for GreenletWaiter {
    fn wait(&self, socket: &Socket, ready: PollFlags, longest: Duration) -> io::Result<()> {
        let arguments = (
            socket.as_raw_fd(),
            ready.contains(PollFlags::POLLOUT),
            longest.as_secs_f64(),
        );
        // The GIL stays with the thread: its greenlets share it.
        Python::attach(|py| {
            let waited = py
                .import(MODULE)
                .and_then(|module| module.call_method1(intern!(py, "wait"), arguments));
            waited.map(drop).map_err(io::Error::other)
        })
    }
}

struct Network {
    boot: &'static Boot,
    signals: &'static Signals,
    reactor: Reactor,
    service: Arc<WsgiService>,
    events: Vec<Event>,
}

impl Network {
    fn turn(&mut self) -> io::Result<()> {
        loop {
            self.reactor.turn(Duration::ZERO, &mut self.events)?;
            if self.reactor.context().fall_asleep() {
                break;
            }
        }
        self.boot.flush_access_log();
        Ok(())
    }

    fn app_ends_worker(&self, why: &str) {
        self.signals.app_ends_worker(&self.boot.heartbeat, why);
    }

    fn jobs(&mut self) -> Vec<Job> {
        let mut jobs = Vec::new();
        for event in self.events.drain(..) {
            match event {
                Event::Request(exchange) => jobs.push(Job {
                    exchange: Mutex::new(Some(exchange)),
                    service: self.service.clone(),
                }),
                Event::Refused(refusal) => self.service.note_refusal(&refusal),
                // The app finds out by itself when it reads or writes.
                Event::Readable(_) | Event::Writable(_) | Event::HungUp(_) => {}
            }
        }
        jobs
    }
}

/// A request, for a greenlet to answer.
#[pyclass(frozen, module = "rgunicorn")]
struct Job {
    exchange: Mutex<Option<Exchange>>,
    service: Arc<WsgiService>,
}

#[pymethods]
impl Job {
    fn __call__(&self) {
        let exchange = self
            .exchange
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(exchange) = exchange {
            self.service.respond(exchange);
        }
    }
}

/// What the hub's half of the worker calls.
#[pyclass(unsendable, module = "rgunicorn")]
struct GeventWorker {
    /// Nothing once the worker has ended.
    network: RefCell<Option<Network>>,
}

impl GeventWorker {
    fn with<T>(&self, act: impl FnOnce(&mut Network) -> T) -> Option<T> {
        self.network.try_borrow_mut().ok()?.as_mut().map(act)
    }
}

#[pymethods]
impl GeventWorker {
    fn stop_descriptor(&self) -> Option<i32> {
        self.with(|network| network.signals.as_fd().as_raw_fd())
    }

    fn descriptor(&self) -> Option<i32> {
        self.with(|network| network.reactor.as_fd().as_raw_fd())
    }

    fn ready(&self) {
        self.with(|network| network.boot.heartbeat.ready());
    }

    /// The requests that have come, and the seconds to the next deadline.
    fn turn(&self) -> PyResult<(Vec<Job>, Option<f64>)> {
        let turned = self.with(|network| -> io::Result<_> {
            network.turn()?;
            let deadline = network.reactor.next_deadline();
            let left = deadline.map(|it| it.saturating_duration_since(Instant::now()));
            Ok((network.jobs(), left.map(|left| left.as_secs_f64())))
        });
        Ok(turned.transpose()?.unwrap_or_default())
    }

    /// Says that the worker is alive; True if it is to stop, as its master is
    /// gone.
    fn beat(&self) -> bool {
        self.with(|network| network.boot.beat()).unwrap_or(false)
    }

    fn log(&self, level: &str, text: &str) {
        log_for_python(level, text);
    }

    /// The app has done what ends a process.
    fn app_ends_it(&self, why: &str) {
        self.with(|network| network.app_ends_worker(why));
    }

    /// Takes no new connections; gives the requests that had come.
    fn stop(&self) -> PyResult<Vec<Job>> {
        let stopped = self.with(|network| -> io::Result<_> {
            network.reactor.stop(&mut network.events)?;
            network.turn()?;
            Ok(network.jobs())
        });
        Ok(stopped.transpose()?.unwrap_or_default())
    }

    fn connections(&self) -> usize {
        let open = self.with(|network| network.reactor.connections());
        open.unwrap_or_default()
    }
}
