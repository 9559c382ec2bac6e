//! The objects that `receive()` and `send()` give to be awaited.
//!
//! A coroutine for each message, a future for each wait and a turn of the loop
//! for each future would cost more than the rest of a small request. So one
//! object is all of these. If there is a result, it gives it at once. If the
//! task must wait, the object is also the future that the task waits for. When
//! the message comes, the task continues within the call that has brought it.
//!
//! It has enough of a coroutine for `asyncio.create_task(receive())`.

use crate::system::lock;
use pyo3::exceptions::PyStopIteration;
use pyo3::exceptions::asyncio::CancelledError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use std::sync::{Arc, Mutex};

/// The loop that runs the app, with the method that is called often.
pub struct EventLoop {
    event_loop: Py<PyAny>,
    call_soon: Py<PyAny>,
}

impl EventLoop {
    pub fn new(event_loop: &Bound<'_, PyAny>) -> PyResult<EventLoop> {
        Ok(EventLoop {
            call_soon: event_loop.getattr("call_soon")?.unbind(),
            event_loop: event_loop.clone().unbind(),
        })
    }

    pub fn bind<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.event_loop.bind(py)
    }
}

/// The source of the messages.
pub trait Source: Send + Sync {
    /// The next message for the app, if there is one.
    fn receive(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>>;

    /// True if the app may send more; an OSError if it never may again.
    fn may_send(&self) -> PyResult<bool>;

    fn waiters(&self) -> &Waiters;
}

/// The tasks that wait for something of one exchange.
pub struct Waiters {
    event_loop: Arc<EventLoop>,
    waiting: Mutex<Vec<Py<Awaitable>>>,
}

impl Waiters {
    pub fn new(event_loop: Arc<EventLoop>) -> Waiters {
        Waiters {
            event_loop,
            waiting: Mutex::default(),
        }
    }

    pub fn event_loop(&self) -> &EventLoop {
        &self.event_loop
    }

    /// Lets the tasks continue, each within this call. No task may be running:
    /// this is for events of the network.
    pub fn wake(&self, py: Python<'_>) {
        self.each(py, |awaitable, Callback { callback, context }| {
            match context {
                Some(context) => context
                    .bind(py)
                    .call_method1(intern!(py, "run"), (callback, awaitable)),
                None => callback.bind(py).call1((awaitable,)),
            }
            .map(drop)
        });
    }

    /// Lets the tasks continue in the next turn of the loop: for events that
    /// another task causes.
    pub fn wake_soon(&self, py: Python<'_>) {
        self.each(py, |awaitable, callback| {
            callback.call_soon(awaitable, &self.event_loop)
        });
    }

    fn each(
        &self,
        py: Python<'_>,
        go_on: impl Fn(&Bound<'_, Awaitable>, Callback) -> PyResult<()>,
    ) {
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        for awaitable in waiting {
            let awaitable = awaitable.bind(py);
            let callback = lock(&awaitable.get().wait).callback.take();
            if let Some(callback) = callback
                && let Err(error) = go_on(awaitable, callback)
            {
                error.write_unraisable(py, Some(awaitable));
            }
        }
    }

    fn forget(&self, awaitable: &Bound<'_, Awaitable>) {
        lock(&self.waiting).retain(|other| !other.is(awaitable));
    }
}

/// What is awaited.
enum Kind {
    /// Nothing: the message was accepted.
    Nothing,
    Receive(Arc<dyn Source>),
    MaySend(Arc<dyn Source>),
}

/// An awaitable, its iterator, and a future, as asyncio's tasks use them.
#[pyclass(frozen, module = "rgunicorn")]
pub struct Awaitable {
    kind: Kind,
    wait: Mutex<Wait>,
}

#[derive(Default)]
struct Wait {
    /// True from the time when the task gets this object to wait for, until the
    /// task has confirmed that (`_asyncio_future_blocking`).
    blocking: bool,
    /// The message of the wait's cancellation. anyio recognises its own
    /// cancellations by it.
    cancelled: Option<Option<Py<PyAny>>>,
    callback: Option<Callback>,
}

struct Callback {
    callback: Py<PyAny>,
    context: Option<Py<PyAny>>,
}

impl Callback {
    fn call_soon(self, awaitable: &Bound<'_, Awaitable>, on: &EventLoop) -> PyResult<()> {
        let py = awaitable.py();
        let keywords = PyDict::new(py);
        keywords.set_item(intern!(py, "context"), self.context)?;
        on.call_soon
            .bind(py)
            .call((self.callback, awaitable), Some(&keywords))
            .map(drop)
    }
}

impl Awaitable {
    pub fn receive(source: Arc<dyn Source>) -> Awaitable {
        Awaitable::new(Kind::Receive(source))
    }

    pub fn may_send(source: Arc<dyn Source>) -> Awaitable {
        Awaitable::new(Kind::MaySend(source))
    }

    /// The awaitable that never waits.
    pub fn nothing(py: Python<'_>) -> PyResult<Py<Awaitable>> {
        static NOTHING: PyOnceLock<Py<Awaitable>> = PyOnceLock::new();
        NOTHING
            .get_or_try_init(py, || Py::new(py, Awaitable::new(Kind::Nothing)))
            .map(|nothing| nothing.clone_ref(py))
    }

    fn new(kind: Kind) -> Awaitable {
        Awaitable {
            kind,
            wait: Mutex::default(),
        }
    }

    fn waiters(&self) -> Option<&Waiters> {
        match &self.kind {
            Kind::Nothing => None,
            Kind::Receive(source) | Kind::MaySend(source) => Some(source.waiters()),
        }
    }
}

#[pymethods]
impl Awaitable {
    /// What is awaited, for the stacks of tasks.
    fn __repr__(&self) -> &'static str {
        match self.kind {
            Kind::Nothing => "nothing",
            Kind::Receive(_) => "a message of the client",
            Kind::MaySend(_) => "room to send to the client",
        }
    }

    fn __await__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    /// Stops the iteration with the result, or gives the object itself to be
    /// waited for.
    fn __next__<'py>(this: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, Self>>> {
        let py = this.py();
        let source = match &this.get().kind {
            Kind::Nothing => return Ok(None),
            Kind::Receive(source) => {
                if let Some(message) = source.receive(py)? {
                    return Err(PyStopIteration::new_err(message));
                }
                source
            }
            Kind::MaySend(source) => {
                if source.may_send()? {
                    return Ok(None);
                }
                source
            }
        };
        lock(&this.get().wait).blocking = true;
        lock(&source.waiters().waiting).push(this.clone().unbind());
        Ok(Some(this.clone()))
    }

    // The methods of a coroutine.

    #[pyo3(signature = (_value, /))]
    fn send<'py>(
        this: &Bound<'py, Self>,
        _value: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, Self>> {
        Self::__next__(this)?.ok_or_else(|| PyStopIteration::new_err(()))
    }

    #[pyo3(signature = (kind, value=None, traceback=None, /))]
    fn throw(
        this: &Bound<'_, Self>,
        kind: &Bound<'_, PyAny>,
        value: Option<&Bound<'_, PyAny>>,
        traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        Self::close(this);
        let _ = traceback;
        Err(PyErr::from_value(value.unwrap_or(kind).clone()))
    }

    fn close(this: &Bound<'_, Self>) {
        *lock(&this.get().wait) = Wait::default();
        if let Some(waiters) = this.get().waiters() {
            waiters.forget(this);
        }
    }

    // The methods of a future.

    /// With None the object is no future for functions such as
    /// `asyncio.isfuture`.
    #[getter(_asyncio_future_blocking)]
    fn blocking(&self) -> Option<bool> {
        lock(&self.wait).blocking.then_some(true)
    }

    #[setter(_asyncio_future_blocking)]
    fn set_blocking(&self, blocking: bool) {
        lock(&self.wait).blocking = blocking;
    }

    fn get_loop(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        let waiters = self.waiters()?;
        Some(waiters.event_loop.event_loop.clone_ref(py))
    }

    #[pyo3(signature = (callback, *, context=None))]
    fn add_done_callback(&self, callback: Py<PyAny>, context: Option<Py<PyAny>>) {
        lock(&self.wait).callback = Some(Callback { callback, context });
    }

    /// True if the task was waiting. It continues with a CancelledError.
    #[pyo3(signature = (msg=None))]
    fn cancel(this: &Bound<'_, Self>, msg: Option<Py<PyAny>>) -> PyResult<bool> {
        let Some(waiters) = this.get().waiters() else {
            return Ok(false);
        };
        let callback = {
            let mut wait = lock(&this.get().wait);
            let Some(callback) = wait.callback.take() else {
                return Ok(false);
            };
            wait.cancelled = Some(msg);
            callback
        };
        waiters.forget(this);
        callback.call_soon(this, &waiters.event_loop)?;
        Ok(true)
    }

    fn result(&self) -> PyResult<()> {
        match lock(&self.wait).cancelled.take() {
            Some(Some(message)) => Err(CancelledError::new_err((message,))),
            Some(None) => Err(CancelledError::new_err(())),
            None => Ok(()),
        }
    }
}
