//! A worker's life where hooks or a worker class in Python lead it: they call its
//! steps. The Python half is `_rgunicorn.worker`.

use crate::python::{traceback, without_gil};
use crate::worker::boot::Failure;
use crate::worker::life::Life;
use pyo3::exceptions::{PyRuntimeError, PySystemExit};
use pyo3::prelude::*;
use std::cell::{Cell, RefCell};

/// Lets Python lead the life, after its beginning.
pub fn live(life: Life) -> Result<(), Failure> {
    let hooks = &life.boot().hooks;
    Python::attach(|py| {
        let steps = Steps {
            life: RefCell::new(Some(life)),
            failure: RefCell::default(),
            has_served: Cell::new(false),
        };
        let steps = Bound::new(py, steps).map_err(|error| Failure::boot(&error))?;
        let lived = hooks.live(steps.as_any());
        let steps = steps.borrow();
        // Whoever still holds the steps can take none any more.
        steps.life.take();
        match lived {
            Ok(()) if steps.has_served.get() => Ok(()),
            Ok(()) => Err(Failure::boot(
                &"The worker class has an init_process() that has ended without its super()'s: \
                 nothing is served.",
            )),
            Err(error) => Err(steps.why(py, &error)),
        }
    })
}

/// What Python calls the steps of a worker's life.
#[pyclass(unsendable, module = "rgunicorn")]
struct Steps {
    /// Nothing once the life has ended.
    life: RefCell<Option<Life>>,
    /// Why the last step has failed.
    failure: RefCell<Option<Failure>>,
    has_served: Cell<bool>,
}

impl Steps {
    fn take<T>(&self, step: impl FnOnce(&mut Life) -> Result<T, Failure>) -> PyResult<T> {
        let mut life = self.life.try_borrow_mut().ok();
        let Some(life) = life.as_mut().and_then(|life| Option::as_mut(life)) else {
            return Err(PyRuntimeError::new_err(
                "The worker is serving, or has ended.",
            ));
        };
        step(life).map_err(|failure| {
            let error = PyRuntimeError::new_err(failure.to_string());
            self.failure.replace(Some(failure));
            error
        })
    }

    /// Why the life has ended: a step's failure, or what Python code has raised.
    fn why(&self, py: Python<'_>, error: &PyErr) -> Failure {
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
        self.take(|life| life.patch())
    }

    fn load(&self) -> PyResult<Py<PyAny>> {
        self.take(Life::load)
    }

    fn post_worker_init(&self) -> PyResult<()> {
        self.take(|life| {
            let called = life.boot().hooks.post_worker_init();
            called.map_err(|error| Failure::boot(&error))
        })
    }

    #[pyo3(signature = (app, max_requests=None))]
    fn serve(&self, py: Python<'_>, app: Py<PyAny>, max_requests: Option<u64>) -> PyResult<()> {
        self.has_served.set(true);
        if let Some(most) = max_requests {
            self.take(|life| Ok(life.boot().max_requests.set(most)))?
                .ok();
        }
        self.take(|life| without_gil(py, || life.serve(app)))
    }
}
