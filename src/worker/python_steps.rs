//! Lets hooks or a worker class in Python call the steps of a worker. The
//! Python half is `_rgunicorn.worker`.

use crate::python::{traceback, without_gil};
use crate::worker::boot::Failure;
use crate::worker::lifecycle::Lifecycle;
use pyo3::exceptions::{PyRuntimeError, PySystemExit};
use pyo3::prelude::*;
use std::cell::{Cell, RefCell};

/// Lets Python call the steps that follow the preparation.
pub fn run(lifecycle: Lifecycle) -> Result<(), Failure> {
    let hooks = &lifecycle.boot().hooks;
    // Dropped after the GIL is released: see `reload::Watch`.
    let mut ended = None;
    Python::attach(|py| {
        let steps = Steps {
            lifecycle: RefCell::new(Some(lifecycle)),
            failure: RefCell::default(),
            has_served: Cell::new(false),
        };
        let steps = Bound::new(py, steps).map_err(|error| Failure::boot(&error))?;
        let ran = hooks.live(steps.as_any());
        let steps = steps.borrow();
        // Python code may still have a reference to the steps, but can take
        // none any more.
        ended = steps.lifecycle.take();
        match ran {
            Ok(()) if steps.has_served.get() => Ok(()),
            Ok(()) => Err(Failure::boot(
                &"The worker class has an init_process() that has ended without its super()'s: \
                 nothing is served.",
            )),
            Err(error) => Err(steps.failure(py, &error)),
        }
    })
}

/// The steps of a worker, as Python calls them.
#[pyclass(unsendable, module = "rgunicorn")]
struct Steps {
    /// Nothing once the worker has ended.
    lifecycle: RefCell<Option<Lifecycle>>,
    /// The error of the step that failed last.
    failure: RefCell<Option<Failure>>,
    has_served: Cell<bool>,
}

impl Steps {
    fn take<T>(&self, step: impl FnOnce(&mut Lifecycle) -> Result<T, Failure>) -> PyResult<T> {
        let mut lifecycle = self.lifecycle.try_borrow_mut().ok();
        let Some(lifecycle) = lifecycle.as_mut().and_then(|it| Option::as_mut(it)) else {
            return Err(PyRuntimeError::new_err(
                "The worker is serving, or has ended.",
            ));
        };
        step(lifecycle).map_err(|failure| {
            let error = PyRuntimeError::new_err(failure.to_string());
            self.failure.replace(Some(failure));
            error
        })
    }

    /// Why the worker has ended: the error of a step, or the exception that
    /// Python code has raised.
    fn failure(&self, py: Python<'_>, error: &PyErr) -> Failure {
        if error.is_instance_of::<PySystemExit>(py) {
            let code = error.value(py).getattr("code");
            return Failure::Exit(code.map_or(1, |code| match code.is_none() {
                true => 0,
                false => code.extract().unwrap_or(1),
            }));
        }
        if let Some(failure) = self.failure.take() {
            return failure;
        }
        let text = traceback::format(py, error);
        match self.has_served.get() {
            true => Failure::Serving(text),
            false => Failure::boot(&text),
        }
    }
}

#[pymethods]
impl Steps {
    fn patch(&self) -> PyResult<()> {
        self.take(|lifecycle| lifecycle.patch())
    }

    fn load(&self) -> PyResult<Py<PyAny>> {
        self.take(Lifecycle::load)
    }

    fn post_worker_init(&self) -> PyResult<()> {
        self.take(|lifecycle| {
            let called = lifecycle.boot().hooks.post_worker_init();
            called.map_err(|error| Failure::boot(&error))
        })
    }

    #[pyo3(signature = (app, max_requests=None))]
    fn serve(&self, py: Python<'_>, app: Py<PyAny>, max_requests: Option<u64>) -> PyResult<()> {
        self.has_served.set(true);
        if let Some(max) = max_requests {
            self.take(|lifecycle| Ok(lifecycle.boot().max_requests.set(max)))?
                .ok();
        }
        self.take(|lifecycle| without_gil(py, || lifecycle.serve(app)))
    }
}
