//! The hooks of a config file: one method for each hook. It costs nothing if
//! the file has no such function. The Python half is `_rgunicorn.hooks`, which
//! keeps the arguments of the functions.

use std::collections::HashSet;
use std::os::fd::RawFd;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::traceback;

/// The hook functions of a config file.
///
/// Hooks whose error ends the master or the worker, as in Gunicorn, give the
/// error. Errors of the others are logged. All may be called with or without
/// the GIL.
#[derive(Clone, Debug, Default)]
pub struct Hooks(Option<Arc<PythonHooks>>);

#[derive(Debug)]
struct PythonHooks {
    names: HashSet<&'static str>,
    own_class: Option<String>,
    python: Py<PyAny>,
}

/// An exception of a hook or a worker class: its name and the traceback.
#[derive(Debug, thiserror::Error)]
#[error("Exception in {what}\n{traceback}")]
pub struct HookError {
    what: String,
    traceback: String,
}

/// The master, as a hook sees it.
#[derive(Clone, Debug, Default)]
pub struct Master {
    /// Its process.
    pub pid: i32,
    /// The number of workers in the settings.
    pub workers: usize,
    /// Its listening sockets: their descriptors, and their names in the log.
    pub listeners: Vec<(RawFd, String)>,
}

/// A request, as a hook sees it.
#[derive(Clone, Debug, Default)]
pub struct RequestFacts<'a> {
    pub method: &'a str,
    /// The target of the request line.
    pub uri: &'a str,
    /// The path in it, not decoded.
    pub path: &'a str,
    /// The query in it, without the question mark.
    pub query: &'a str,
    pub version: (u8, u8),
    /// Names in upper case, and values.
    pub headers: Vec<(String, String)>,
    /// The peer's address; none over a unix socket.
    pub peer: Option<(String, u16)>,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// True if the connection closes after this request.
    pub close: bool,
    /// The object from which the body can be read.
    pub body: Option<&'a Py<PyAny>>,
}

/// A response, as a hook sees it.
#[derive(Clone, Debug, Default)]
pub struct ResponseFacts<'a> {
    /// The code and the reason.
    pub status: &'a str,
    pub headers: Vec<(String, String)>,
    /// Bytes of the body that were sent.
    pub sent: u64,
    pub headers_sent: bool,
    /// True if the connection closes after this response.
    pub close: bool,
}

impl Hooks {
    /// The hooks with these names in the settings `cfg`. `own_class` is the
    /// name of the worker class, if it is the user's own.
    ///
    /// # Errors
    /// Only without memory.
    pub fn new(
        names: HashSet<&'static str>,
        own_class: Option<&str>,
        cfg: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        if names.is_empty() && own_class.is_none() {
            return Ok(Self::default());
        }
        let module = cfg.py().import("_rgunicorn.hooks")?;
        let python = module.call_method1("Hooks", (cfg,))?.unbind();
        Ok(Self(Some(Arc::new(PythonHooks {
            names,
            own_class: own_class.map(str::to_owned),
            python,
        }))))
    }

    /// In the master, after it has read its settings.
    ///
    /// # Errors
    /// The user's own worker class refuses them, or raises an exception.
    pub fn check_class(&self) -> Result<(), HookError> {
        let Some(class) = self.own_class() else {
            return Ok(());
        };
        let what = format!("{class}.check_config()");
        self.call_for(what, |python| python.call_method0("check_class"))
            .map(drop)
    }

    /// In the master, before it listens.
    pub fn on_starting(&self, master: &Master) -> Result<Option<usize>, HookError> {
        self.of_master("on_starting", master, None)
    }

    /// In the master, when it listens, before the first worker. Like several
    /// others, gives the number of workers if the hook has set it.
    pub fn when_ready(&self, master: &Master) -> Result<Option<usize>, HookError> {
        self.of_master("when_ready", master, None)
    }

    /// In the master at HUP, with the new settings' hooks.
    pub fn on_reload(&self, master: &Master) -> Option<usize> {
        logged(self.of_master("on_reload", master, None)).flatten()
    }

    /// In the master, after the number of workers has changed. `old` is nothing
    /// at the start.
    pub fn nworkers_changed(&self, master: &Master, new: usize, old: Option<usize>) {
        logged(self.of_master("nworkers_changed", master, Some((new, old))));
    }

    /// At USR2, in the process that becomes the new master.
    pub fn pre_exec(&self, master: &Master) -> Result<Option<usize>, HookError> {
        self.of_master("pre_exec", master, None)
    }

    /// In the master before it ends.
    pub fn on_exit(&self, master: &Master) {
        logged(self.of_master("on_exit", master, None));
    }

    /// In the master before a worker is made. `age` counts the workers.
    pub fn pre_fork(&self, master: &Master, age: u64) -> Result<(), HookError> {
        if self.0.is_none() {
            return Ok(());
        }
        let what = match self.own_class() {
            Some(class) => format!("{class}.__init__()"),
            None => "the making of a worker".to_owned(),
        };
        self.call_for(what, |python| {
            python.call_method1("pre_fork", (facts(master), age))
        })?;
        self.call("pre_fork", |python| python.call_method0("call_pre_fork"))
            .map(drop)
    }

    /// In the master, after a worker was made: its process.
    pub fn forked(&self, pid: i32) {
        if self.0.is_some() {
            logged(self.call("pre_fork", |python| python.call_method1("forked", (pid,))));
        }
    }

    /// In the master, after a worker has ended.
    pub fn child_exit(&self, master: &Master, pid: i32) -> Option<usize> {
        let called = self.call("child_exit", |python| {
            python.call_method1("child_exit", (facts(master), pid))
        });
        number(logged(called).flatten())
    }

    /// In the worker, before the app is loaded; the interpreter runs.
    pub fn post_fork(
        &self,
        master: &Master,
        age: u64,
        preloaded: Option<&Py<PyAny>>,
    ) -> Result<(), HookError> {
        if self.0.is_none() {
            return Ok(());
        }
        self.call("post_fork", |python| {
            python.call_method1("post_fork", (facts(master), age, preloaded))
        })
        .map(drop)
    }

    /// The name of the worker class, if it is the user's own.
    pub fn own_class(&self) -> Option<&str> {
        self.0.as_ref()?.own_class.as_deref()
    }

    /// True if Python runs the worker's life, so that hooks can change it.
    pub fn lead_worker(&self) -> bool {
        self.0.is_some()
    }

    /// Runs the life of the worker, and returns at its end. `steps` are the
    /// server's parts of it.
    ///
    /// # Errors
    /// An exception of a step, or of the user's own code.
    pub fn live(&self, steps: &Bound<'_, PyAny>) -> PyResult<()> {
        let Some(hooks) = &self.0 else {
            return Ok(());
        };
        let python = hooks.python.bind(steps.py());
        python.call_method1("live", (steps,)).map(drop)
    }

    /// In the worker, with the app loaded.
    pub fn post_worker_init(&self) -> Result<(), HookError> {
        self.of_worker("post_worker_init")
    }

    /// In the worker at INT or QUIT.
    pub fn worker_int(&self) {
        logged(self.of_worker("worker_int"));
    }

    /// In the worker at ABRT.
    pub fn worker_abort(&self) {
        logged(self.of_worker("worker_abort"));
    }

    /// In the worker before it ends.
    pub fn worker_exit(&self) {
        if self.has("worker_exit") {
            logged(self.call("worker_exit", |python| python.call_method0("worker_exit")));
        }
    }

    /// True if there are hooks for requests.
    pub fn watch_requests(&self) -> bool {
        self.has("pre_request") || self.has("post_request")
    }

    /// Before the app is called, if [`Self::watch_requests`] is true. Gives the
    /// object that `post_request` needs.
    ///
    /// # Errors
    /// The hook has raised an exception: the response is a 500.
    pub fn pre_request(&self, request: &RequestFacts<'_>) -> Result<Py<PyAny>, HookError> {
        self.call("pre_request", |python| {
            let peer = match &request.peer {
                Some(peer) => peer.into_pyobject(python.py())?.into_any(),
                None => "".into_pyobject(python.py())?.into_any(),
            };
            let facts = PyDict::new(python.py());
            facts.set_item("method", request.method)?;
            facts.set_item("uri", request.uri)?;
            facts.set_item("path", request.path)?;
            facts.set_item("query", request.query)?;
            facts.set_item("version", request.version)?;
            facts.set_item("headers", &request.headers)?;
            facts.set_item("peer_addr", &peer)?;
            facts.set_item("remote_addr", &peer)?;
            facts.set_item("scheme", request.scheme)?;
            facts.set_item("_close", request.close)?;
            if let Some(body) = request.body {
                facts.set_item("body", body)?;
            }
            python.call_method("pre_request", (), Some(&facts))
        })
        .map(|request| request.expect("there are hooks"))
    }

    /// Copies the changes of `pre_request` to the environ.
    ///
    /// # Errors
    /// A changed value is invalid.
    pub fn amend(&self, request: &Py<PyAny>, environ: &Bound<'_, PyDict>) -> PyResult<()> {
        if !self.has("pre_request") {
            return Ok(());
        }
        request
            .call_method1(environ.py(), "amend", (environ,))
            .map(drop)
    }

    /// After the response.
    pub fn post_request(
        &self,
        request: &Py<PyAny>,
        environ: Option<&Py<PyAny>>,
        response: &ResponseFacts<'_>,
    ) {
        logged(self.call("post_request", |python| {
            let facts = PyDict::new(python.py());
            facts.set_item("status", response.status)?;
            facts.set_item("headers", &response.headers)?;
            facts.set_item("sent", response.sent)?;
            facts.set_item("headers_sent", response.headers_sent)?;
            facts.set_item("close", response.close)?;
            python.call_method("post_request", (request, environ), Some(&facts))
        }));
    }

    fn has(&self, name: &str) -> bool {
        self.0
            .as_ref()
            .is_some_and(|hooks| hooks.names.contains(name))
    }

    fn of_master(
        &self,
        name: &'static str,
        master: &Master,
        change: Option<(usize, Option<usize>)>,
    ) -> Result<Option<usize>, HookError> {
        if !self.has(name) {
            return Ok(None);
        }
        let set = self.call(name, |python| match change {
            None => python.call_method1("of_server", (name, facts(master))),
            Some((new, old)) => python.call_method1("of_server", (name, facts(master), new, old)),
        })?;
        Ok(number(set))
    }

    fn of_worker(&self, name: &'static str) -> Result<(), HookError> {
        if !self.has(name) {
            return Ok(());
        }
        self.call(name, |python| python.call_method1("of_worker", (name,)))
            .map(drop)
    }

    fn call(
        &self,
        hook: &'static str,
        call: impl for<'py> FnOnce(&Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>>,
    ) -> Result<Option<Py<PyAny>>, HookError> {
        self.call_for(format!("{hook} hook"), call)
    }

    /// Calls the Python half. `what` names the hook in errors.
    fn call_for(
        &self,
        what: String,
        call: impl for<'py> FnOnce(&Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>>,
    ) -> Result<Option<Py<PyAny>>, HookError> {
        let Some(hooks) = &self.0 else {
            return Ok(None);
        };
        Python::attach(|py| {
            call(hooks.python.bind(py))
                .map(|result| Some(result.unbind()))
                .map_err(|error| HookError {
                    what,
                    traceback: traceback::format(py, &error),
                })
        })
    }
}

type Facts<'a> = (i32, usize, &'a [(RawFd, String)]);

fn facts(master: &Master) -> Facts<'_> {
    (master.pid, master.workers, &master.listeners)
}

/// The number of workers, if a hook has set it.
fn number(set: Option<Py<PyAny>>) -> Option<usize> {
    set.and_then(|set| Python::attach(|py| set.extract(py).ok()))
}

/// Logs the error, if it is one.
fn logged<T>(result: Result<T, HookError>) -> Option<T> {
    result.inspect_err(|error| ::log::error!("{error}")).ok()
}
