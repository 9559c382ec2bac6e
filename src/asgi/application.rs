//! Calling the app: a task for each request.

use super::Observer;
use super::awaitable::EventLoop;
use super::http::{Http, HttpCallables};
use super::link::Link;
use super::scope::ScopeMaker;
use super::serving::Serving;
use super::websocket::{WebSocket, WebSocketCallables};
use crate::exchange::Exchange;
use crate::python::{self, ContextVar};
use crate::system::lock;
use crate::websocket::{CloseCode, Handshake};
use pyo3::exceptions::PyOSError;
use pyo3::exceptions::asyncio::CancelledError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What is the same for every request of a worker.
#[derive(Clone, Debug, Default)]
pub struct AppOptions {
    pub root_path: String,
    /// The largest size of a WebSocket message in bytes.
    pub websocket_max_message_size: usize,
}

/// A loaded and started app, ready for requests.
pub struct Application {
    callable: Py<PyAny>,
    event_loop: Arc<EventLoop>,
    task: Py<PyAny>,
    /// Where a task's request is found (`_rgunicorn.served`).
    mark: ContextVar,
    scopes: ScopeMaker,
    options: AppOptions,
    running: Arc<AtomicUsize>,
}

impl Application {
    /// `state` is the state that the app's lifespan has set, if there is one.
    pub fn new(
        callable: Bound<'_, PyAny>,
        event_loop: &Bound<'_, PyAny>,
        state: Option<Bound<'_, PyDict>>,
        options: AppOptions,
    ) -> PyResult<Application> {
        let py = callable.py();
        Ok(Application {
            callable: callable.unbind(),
            event_loop: Arc::new(EventLoop::new(event_loop)?),
            task: py.import("asyncio")?.getattr("Task")?.unbind(),
            mark: ContextVar::of(py, "_rgunicorn.served", "CURRENT")?,
            scopes: ScopeMaker::new(py, &options.root_path, state)?,
            options,
            running: Arc::default(),
        })
    }

    /// Starts the app for a request. The app runs within this call until it has
    /// to wait. Whatever the app does, the exchange ends in the end.
    pub fn http(
        &self,
        py: Python<'_>,
        exchange: Exchange,
        observer: Box<dyn Observer>,
    ) -> Arc<Call> {
        let serving = Arc::new(Serving::new(&exchange));
        let scope = self.scopes.http(py, &exchange);
        let link = Link::new(exchange, observer);
        let http = Arc::new(Http::new(link, self.event_loop.clone()));
        let callables = HttpCallables {
            http: http.clone(),
            serving: serving.clone(),
        };
        let callables = Bound::new(py, callables).map(Bound::into_any);
        self.call(py, serving, Protocol::Http(http), scope, callables)
    }

    /// The same for a request that asks to become a WebSocket.
    pub fn websocket(
        &self,
        py: Python<'_>,
        exchange: Exchange,
        handshake: Handshake,
        observer: Box<dyn Observer>,
    ) -> Arc<Call> {
        let serving = Arc::new(Serving::new(&exchange));
        let subprotocols = &handshake.subprotocols;
        let scope = self.scopes.websocket(py, &exchange, subprotocols);
        let limit = self.options.websocket_max_message_size;
        let link = Link::new(exchange, observer);
        let websocket = WebSocket::new(link, handshake, limit, self.event_loop.clone());
        let websocket = Arc::new(websocket);
        let callables = WebSocketCallables {
            websocket: websocket.clone(),
            serving: serving.clone(),
        };
        let callables = Bound::new(py, callables).map(Bound::into_any);
        self.call(
            py,
            serving,
            Protocol::WebSocket(websocket),
            scope,
            callables,
        )
    }

    fn call<'py>(
        &self,
        py: Python<'py>,
        serving: Arc<Serving>,
        protocol: Protocol,
        scope: PyResult<Bound<'py, PyDict>>,
        callables: PyResult<Bound<'py, PyAny>>,
    ) -> Arc<Call> {
        let call = Arc::new(Call {
            serving,
            protocol,
            running: self.running.clone(),
            task: Mutex::default(),
        });
        let started = scope.and_then(|scope| self.start(&call, scope, &callables?));
        if let Err(error) = started {
            call.returned(py, Some(error));
        }
        call
    }

    /// The number of calls of the app that have not returned.
    pub fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    fn start(
        &self,
        call: &Arc<Call>,
        scope: Bound<'_, PyDict>,
        callables: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let py = scope.py();
        let receive = callables.getattr(intern!(py, "receive"))?;
        let send = callables.getattr(intern!(py, "send"))?;
        self.mark.set(callables)?;
        let coroutine = self.callable.bind(py).call1((scope, receive, send))?;
        let task = self.task(py, coroutine, &call.serving.request)?;
        if task.call_method0(intern!(py, "done"))?.is_truthy()? {
            call.returned(py, outcome(&task));
            return Ok(());
        }
        let done = Bound::new(py, Done(call.clone()))?;
        task.call_method1(intern!(py, "add_done_callback"), (done,))?;
        *lock(&call.task) = Some(task.unbind());
        call.running.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// An eager task, unless the app has set its own task factory.
    fn task<'py>(
        &self,
        py: Python<'py>,
        coroutine: Bound<'py, PyAny>,
        name: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        let event_loop = self.event_loop.bind(py);
        let factory = event_loop.call_method0(intern!(py, "get_task_factory"))?;
        if !factory.is_none() {
            return event_loop.call_method1(intern!(py, "create_task"), (coroutine,));
        }
        let keywords = PyDict::new(py);
        keywords.set_item(intern!(py, "loop"), event_loop)?;
        keywords.set_item(intern!(py, "eager_start"), true)?;
        keywords.set_item(intern!(py, "name"), name)?;
        self.task.bind(py).call((coroutine,), Some(&keywords))
    }
}

/// One call of the app, from the request to its return.
pub struct Call {
    serving: Arc<Serving>,
    protocol: Protocol,
    running: Arc<AtomicUsize>,
    /// The task is kept here because the loop does not keep it alive.
    task: Mutex<Option<Py<PyAny>>>,
}

/// The protocol between the app and its client.
enum Protocol {
    Http(Arc<Http>),
    WebSocket(Arc<WebSocket>),
}

impl Call {
    /// The client has sent something, or more can be sent to it.
    pub fn ready(&self, py: Python<'_>) {
        match &self.protocol {
            Protocol::Http(http) => http.ready(py),
            Protocol::WebSocket(websocket) => websocket.ready(py),
        }
    }

    /// The client has closed its sending side, or the connection.
    pub fn hung_up(&self, py: Python<'_>) {
        match &self.protocol {
            Protocol::Http(http) => http.hung_up(py),
            Protocol::WebSocket(websocket) => websocket.hung_up(py),
        }
    }

    /// True once the connection is of no interest any more.
    pub fn is_finished(&self) -> bool {
        match &self.protocol {
            Protocol::Http(http) => http.is_finished(),
            Protocol::WebSocket(websocket) => websocket.is_finished(),
        }
    }

    pub fn is_websocket(&self) -> bool {
        matches!(self.protocol, Protocol::WebSocket(_))
    }

    /// Begins to close a WebSocket. The app is told when the client has
    /// answered, or after five seconds.
    pub fn close(self: &Arc<Self>, py: Python<'_>, code: CloseCode, reason: &str) {
        if let Protocol::WebSocket(websocket) = &self.protocol {
            websocket.close(py, code, reason);
        }
    }

    /// Sends a ping to the client of a WebSocket.
    pub fn ping(&self, py: Python<'_>) {
        if let Protocol::WebSocket(websocket) = &self.protocol {
            websocket.ping(py);
        }
    }

    /// Cancels the app's task, unless the client got the whole response: then
    /// the app may finish its work.
    pub fn cancel_if_cut_off(&self, py: Python<'_>) {
        if !self.is_finished() || self.client_is_gone() {
            self.cancel(py);
        }
    }

    fn client_is_gone(&self) -> bool {
        match &self.protocol {
            Protocol::Http(http) => http.is_disconnected(),
            Protocol::WebSocket(websocket) => websocket.is_disconnected(),
        }
    }

    /// True until the app has returned.
    #[cfg(test)]
    pub fn is_running(&self) -> bool {
        lock(&self.task).is_some()
    }

    /// Cancels the app's task, if it has not ended.
    pub fn cancel(&self, py: Python<'_>) {
        let task = lock(&self.task).as_ref().map(|task| task.clone_ref(py));
        if let Some(task) = task
            && let Err(error) = task.call_method0(py, intern!(py, "cancel"))
        {
            error.write_unraisable(py, None);
        }
    }

    fn returned(&self, py: Python<'_>, error: Option<PyErr>) {
        self.serving.end();
        if lock(&self.task).take().is_some() {
            self.running.fetch_sub(1, Ordering::Relaxed);
        }
        let gone = self.client_is_gone();
        // An error that the client's leaving has caused is not logged as one.
        let error = error.filter(|error| {
            let expected = gone && is_caused_by_disconnect(py, error);
            if expected {
                ::log::debug!("Ignored premature client disconnection. {error}");
            }
            !expected
        });
        let note = self.serving.names.note();
        let log = |what: &str, error: Option<PyErr>| match error {
            Some(error) => {
                let traceback = python::traceback::format(py, &error);
                ::log::error!("{what} {}{note}\n{traceback}", self.serving.request);
            }
            None => ::log::error!("{what} {}{note}", self.serving.request),
        };
        match &self.protocol {
            Protocol::Http(http) => http.returned(py, error, log),
            Protocol::WebSocket(websocket) => websocket.returned(py, error, log),
        }
    }
}

/// True for a cancelled task, and for an error that an OSError has caused.
fn is_caused_by_disconnect(py: Python<'_>, error: &PyErr) -> bool {
    if error.is_instance_of::<CancelledError>(py) {
        return true;
    }
    let mut error = Some(error.value(py).clone().into_any());
    // Causes can form a circle.
    for _ in 0..16 {
        let Some(this) = error else { return false };
        if this.is_instance_of::<PyOSError>() {
            return true;
        }
        let before = |name| this.getattr(name).ok().filter(|it| !it.is_none());
        error = before(intern!(py, "__cause__")).or_else(|| before(intern!(py, "__context__")));
    }
    false
}

/// The callback at the end of a task.
#[pyclass(frozen, module = "rgunicorn")]
struct Done(Arc<Call>);

#[pymethods]
impl Done {
    fn __call__(&self, task: &Bound<'_, PyAny>) {
        self.0.returned(task.py(), outcome(task));
    }
}

/// The exception of a finished task, if there is one.
fn outcome(task: &Bound<'_, PyAny>) -> Option<PyErr> {
    match task.call_method0(intern!(task.py(), "exception")) {
        Ok(none) if none.is_none() => None,
        Ok(error) => Some(PyErr::from_value(error)),
        Err(cancelled) => Some(cancelled),
    }
}
