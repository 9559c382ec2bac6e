//! The `gevent` worker: each request runs in a greenlet, and gevent's hub
//! watches the reactor's descriptor. The Python half is `_rgunicorn.gevent`.

use super::life_signs::{network, pulse, rules};
use super::wsgi_service::WsgiService;
use crate::exchange::Exchange;
use crate::python::ServedRequest;
use crate::system::lock;
use crate::worker::boot::{Boot, Failure, log_for_python};
use crate::worker::network::{Event, Reactor, Waiter};
use crate::worker::request::in_flight::ServedBy;
use crate::worker::signals::Signals;
use crate::wsgi::Application;
use nix::poll::PollFlags;
use pyo3::intern;
use pyo3::prelude::*;
use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const MODULE: &str = "_rgunicorn.gevent";

/// Patches the standard library for gevent. To be called before the app is
/// imported.
pub fn patch() -> Result<(), Failure> {
    Python::attach(|py| {
        let patched = py.import(MODULE).and_then(|it| it.call_method0("patch"));
        patched
            .map(drop)
            .map_err(|error| Failure::of_loop(py, MODULE, &error))
    })
}

/// The app, wrapped for the package gevent-websocket.
pub fn with_websockets(app: &Py<PyAny>) -> Result<Py<PyAny>, Failure> {
    Python::attach(|py| {
        let module = py.import("_rgunicorn.gevent_websocket");
        let wrapped = module.and_then(|it| it.call_method1("wrap", (app,)));
        wrapped
            .map(Bound::unbind)
            .map_err(|error| Failure::of_loop(py, MODULE, &error))
    })
}

/// Serves until a signal ends the worker or the master has ended.
pub fn serve(
    boot: &'static Boot,
    application: Arc<Application>,
    signals: &'static Signals,
) -> Result<(), Failure> {
    let reactor = network(boot, signals, rules(boot), Box::new(GreenletWaiter))
        .map_err(|error| Failure::Serving(error.to_string()))?;
    let network = GeventNetwork {
        boot,
        signals,
        reactor,
        service: Arc::new(WsgiService::new(
            boot,
            application,
            signals,
            ServedBy::Other,
        )),
        events: Vec::new(),
    };
    Python::attach(|py| {
        let run = || -> PyResult<()> {
            let network = RefCell::new(Some(network));
            let worker = Bound::new(py, GeventWorker { network })?;
            let pulse = pulse(boot).as_secs_f64();
            let graceful = boot.settings.workers.graceful_timeout;
            let ran = py
                .import(MODULE)?
                .call_method1("run", (&worker, pulse, graceful));
            worker.borrow().network.take();
            ran.map(drop)
        };
        run().map_err(|error| Failure::of_loop(py, MODULE, &error))
    })
}

/// Waits for a client, and lets other greenlets run meanwhile.
struct GreenletWaiter;

impl Waiter for GreenletWaiter {
    fn wait(&self, on: BorrowedFd<'_>, ready: PollFlags, longest: Duration) -> io::Result<()> {
        let arguments = (
            on.as_raw_fd(),
            ready.contains(PollFlags::POLLOUT),
            longest.as_secs_f64(),
        );
        // The thread keeps the GIL: its greenlets share it.
        Python::attach(|py| {
            let waited = py
                .import(MODULE)
                .and_then(|module| module.call_method1(intern!(py, "wait"), arguments));
            waited.map(drop).map_err(io::Error::other)
        })
    }
}

struct GeventNetwork {
    boot: &'static Boot,
    signals: &'static Signals,
    reactor: Reactor,
    service: Arc<WsgiService>,
    events: Vec<Event>,
}

impl GeventNetwork {
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

    fn take_jobs(&mut self) -> Vec<Job> {
        let mut jobs = Vec::new();
        for event in self.events.drain(..) {
            match event {
                Event::Request(exchange) => jobs.push(Job {
                    key: exchange.stream().key(),
                    exchange: Mutex::new(Some(exchange)),
                    service: self.service.clone(),
                }),
                Event::Refused(refusal) => self.service.log_refusal(&refusal),
                // The app notices these when it reads or writes.
                Event::Readable(_) | Event::Writable(_) | Event::HungUp(_) => {}
            }
        }
        jobs
    }
}

/// A request, for a greenlet to answer.
#[pyclass(frozen, module = "rgunicorn")]
struct Job {
    /// That of its stream.
    key: u64,
    exchange: Mutex<Option<Exchange>>,
    service: Arc<WsgiService>,
}

#[pymethods]
impl Job {
    fn __call__(&self) {
        let exchange = lock(&self.exchange).take();
        if let Some(exchange) = exchange {
            self.service.respond(exchange, Instant::now());
        }
    }

    /// The request, while the app has it: see `_rgunicorn.served`.
    fn request(&self) -> Option<ServedRequest> {
        self.service.of_stream(self.key)
    }
}

/// What the Python half of the worker calls.
#[pyclass(unsendable, module = "rgunicorn")]
struct GeventWorker {
    /// Nothing once the worker has ended.
    network: RefCell<Option<GeventNetwork>>,
}

impl GeventWorker {
    fn with<T>(&self, act: impl FnOnce(&mut GeventNetwork) -> T) -> Option<T> {
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

    /// The new requests, and the seconds until the next deadline.
    fn turn(&self) -> PyResult<(Vec<Job>, Option<f64>)> {
        let turned = self.with(|network| -> io::Result<_> {
            network.turn()?;
            let deadline = network.reactor.next_deadline();
            let left = deadline.map(|it| it.saturating_duration_since(Instant::now()));
            Ok((network.take_jobs(), left.map(|left| left.as_secs_f64())))
        });
        Ok(turned.transpose()?.unwrap_or_default())
    }

    /// Tells the master that the worker is alive. True if the master has ended,
    /// so that the worker must stop.
    fn beat(&self) -> bool {
        self.with(|network| network.boot.beat()).unwrap_or(false)
    }

    fn log(&self, level: &str, text: &str) {
        log_for_python(level, text);
    }

    /// Says that the app has done something that ends a process.
    fn app_ends_it(&self, why: &str) {
        self.with(|network| network.app_ends_worker(why));
    }

    /// Stops taking new connections, and gives the requests that were received.
    fn stop(&self) -> PyResult<Vec<Job>> {
        let stopped = self.with(|network| -> io::Result<_> {
            network.reactor.stop(&mut network.events)?;
            network.turn()?;
            Ok(network.take_jobs())
        });
        Ok(stopped.transpose()?.unwrap_or_default())
    }

    fn connections(&self) -> usize {
        let open = self.with(|network| network.reactor.connections());
        open.unwrap_or_default()
    }
}
