//! Calling the app for one request.

use super::client_socket::{self, ClientSockets};
use super::environ::EnvironMaker;
use super::file_wrapper::{Content, FileWrapper};
use super::input::Input;
use super::options::AppOptions;
use super::response::SharedResponse;
use super::start_response::{StartResponse, block, is_shared};
use crate::exchange::{Exchange, Finished, WatchedRequest};
use crate::http::Status;
use crate::log::dropped_body;
use crate::python::{self, Hooks};
use crate::system::lock;
use pyo3::exceptions::{PyConnectionError, PyException, PyStopIteration, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use std::sync::Mutex;

/// A loaded app, ready for requests.
pub struct Application {
    callable: Py<PyAny>,
    environs: EnvironMaker,
    sendfile: bool,
    hooks: Hooks,
    sockets: ClientSockets,
    /// Objects of earlier requests that the app does not hold any more. No Python
    /// code runs while this is locked.
    spare: Mutex<Vec<(Py<StartResponse>, Py<Input>)>>,
}

/// The objects that the app gets for one request, besides the environ.
struct AppObjects<'py> {
    start: Bound<'py, StartResponse>,
    input: Bound<'py, Input>,
}

impl Application {
    pub fn new(callable: Py<PyAny>, options: &AppOptions) -> PyResult<Application> {
        Python::attach(|py| {
            Ok(Application {
                callable,
                environs: EnvironMaker::new(py, options)?,
                sendfile: options.sendfile,
                hooks: options.hooks.clone(),
                sockets: ClientSockets::new(py, options)?,
                spare: Mutex::default(),
            })
        })
    }

    /// Answers one request, whatever the app does. An exception is logged with
    /// its traceback, and becomes a 500 if no part of a response was sent.
    /// `finished` is called after the last byte and before the iterable's
    /// `close()`. True if the response allows another request on the
    /// connection.
    pub fn call(&self, exchange: &Exchange, finished: impl FnOnce(&Finished<'_>)) -> bool {
        Python::attach(|py| {
            let objects = self.objects(py, exchange);
            match objects.and_then(|objects| self.answer(py, exchange, objects, finished)) {
                Ok(keep_alive) => keep_alive,
                Err(error) => {
                    // This happens only without memory.
                    log_exception(py, exchange, &error);
                    false
                }
            }
        })
    }

    fn answer(
        &self,
        py: Python<'_>,
        exchange: &Exchange,
        AppObjects { start, input }: AppObjects<'_>,
        finished: impl FnOnce(&Finished<'_>),
    ) -> PyResult<bool> {
        let response = start.get().response();
        let watched = WatchedRequest::begin(&self.hooks, exchange, Some(input.as_any()));
        let mount = self.environs.mount(exchange);
        let environ = match (&watched, &mount) {
            (Err(error), _) => Err(error.clone_ref(py)),
            (Ok(_), Err(why)) => Err(PyValueError::new_err(why.clone())),
            (Ok(watched), Ok(mount)) => {
                let environ = self.environs.make(py, exchange, mount, &input, start.get());
                environ.and_then(|environ| watched.amend(&environ).map(|()| environ))
            }
        };
        let mut iterable = None;
        let result = environ
            .as_ref()
            .map_err(|error| error.clone_ref(py))
            .and_then(|environ| {
                let blocks = self.callable.bind(py).call1((environ, &start))?;
                self.send(py, iterable.insert(blocks), response)
            });

        let refused = match (input.get().finish(), mount) {
            (Some(body), _) => Some((body.status(), body.to_string())),
            (None, Err(why)) if watched.is_ok() => Some((Status::SERVER_ERROR, why)),
            _ => None,
        };
        let (mut outcome, has_dropped_body, upgraded) = {
            let state = response.lock();
            let body = state.response.body();
            let has_dropped_body = body.is_some_and(|body| body.was_dropped());
            (state.finished(), has_dropped_body, state.is_upgraded())
        };
        if let Err(error) = result {
            outcome.keep_alive = false;
            self.failed(py, exchange, response, &error, refused, &mut outcome);
        }
        if has_dropped_body {
            let head = &exchange.head;
            dropped_body(head.method(), head.target(), outcome.status);
        }
        let (head, detached) = {
            let mut state = response.lock();
            (state.close(), state.is_detached())
        };
        let outcome = Finished {
            head: head.as_ref(),
            environ: environ.as_ref().ok(),
            ..outcome
        };
        // The response of an app that has taken the connection is not known.
        if !detached || upgraded || head.is_some() {
            finished(&outcome);
        }
        if let Some(iterable) = iterable
            && let Err(error) = close(&iterable)
        {
            log_exception(py, exchange, &error);
        }
        self.environs.errors().flush();
        if let (Ok(watched), Ok(_)) = (watched, &environ) {
            watched.end(&outcome);
        }
        let keep_alive = outcome.keep_alive;
        drop(environ);
        match detached {
            true => client_socket::part(start.get().socket(py), upgraded),
            false => self.keep(AppObjects { start, input }),
        }
        Ok(keep_alive)
    }

    /// The objects of a request. Objects of earlier requests are used again.
    fn objects<'py>(&self, py: Python<'py>, exchange: &Exchange) -> PyResult<AppObjects<'py>> {
        // Not under the lock: making the first object of a class may release
        // the GIL.
        let spare = lock(&self.spare).pop();
        let objects = match spare {
            Some((start, input)) => AppObjects {
                start: start.into_bound(py),
                input: input.into_bound(py),
            },
            None => AppObjects {
                start: Bound::new(py, StartResponse::new(py, &self.sockets)?)?,
                input: Bound::new(py, Input::new())?,
            },
        };
        objects.input.get().begin(exchange.stream().clone());
        objects.start.get().response().begin(exchange);
        Ok(objects)
    }

    /// Keeps the objects for another request, unless the app still holds one.
    fn keep(&self, AppObjects { start, input }: AppObjects<'_>) {
        const MOST: usize = 64;
        let shared =
            is_shared(start.as_any()) || is_shared(&input) || start.get().is_shared(start.py());
        let mut spare = lock(&self.spare);
        if !shared && spare.len() < MOST {
            spare.push((start.unbind(), input.unbind()));
        }
    }

    /// Sends what the app returned.
    fn send<'py>(
        &self,
        py: Python<'py>,
        iterable: &Bound<'py, PyAny>,
        response: &SharedResponse,
    ) -> PyResult<()> {
        if let Ok(wrapper) = iterable.cast::<FileWrapper>()
            && self.sendfile
            && let Some(content) = wrapper.get().content(py)?
        {
            return match content {
                Content::Small(bytes) => response.send_all(&[&bytes]),
                Content::Large(file) => response.send_file(file),
            };
        }
        // The blocks of a list or tuple exist already, so they are sent
        // together, and with their length.
        if is_list(iterable) {
            if iterable.len()? == 1 {
                let item = iterable.get_item(0)?;
                return response.send_all(&[block(&item)?.as_bytes()]);
            }
            let items = iterable.try_iter()?.collect::<PyResult<Vec<_>>>()?;
            let blocks = items.iter().map(block).collect::<PyResult<Vec<_>>>()?;
            let blocks: Vec<&[u8]> = blocks.iter().map(|block| block.as_bytes()).collect();
            return response.send_all(&blocks);
        }
        let items = match iterable.try_iter() {
            // Such an app need not return anything.
            Err(_) if response.lock().is_detached() => return Ok(()),
            items => items?,
        };
        for item in items {
            let item = item?;
            let block = block(&item)?.as_bytes();
            if !block.is_empty() {
                response.send(&[block])?;
            }
        }
        response.end()
    }

    /// Logs why the response is not complete, and sends an error page if
    /// nothing was sent.
    fn failed(
        &self,
        py: Python<'_>,
        exchange: &Exchange,
        response: &SharedResponse,
        error: &PyErr,
        refused: Option<(Status, String)>,
        outcome: &mut Finished<'_>,
    ) {
        let (broken, sent, detached) = {
            let state = response.lock();
            (
                state.is_broken(),
                state.response.has_begun(),
                state.is_detached(),
            )
        };
        if detached && !sent {
            // The app ends in one of these ways, or returns an invalid
            // response.
            let done = broken
                || !error.is_instance_of::<PyException>(py)
                || error.is_instance_of::<PyStopIteration>(py)
                || error.is_instance_of::<PyConnectionError>(py);
            match done {
                true => ::log::debug!("The app has ended the connection itself. {error}"),
                false => log_exception(py, exchange, error),
            }
            return;
        }
        if broken {
            ::log::debug!("Ignored premature client disconnection. {error}");
            return;
        }
        let (status, message) = match refused {
            // The request is the reason why the app could not begin or
            // continue.
            Some((status, why)) => {
                let (address, note) = (exchange.remote().0, exchange.note());
                ::log::warn!("Invalid request from ip={address}{note}: {why}");
                (status, why)
            }
            None => {
                log_exception(py, exchange, error);
                (Status::SERVER_ERROR, String::new())
            }
        };
        if !sent {
            // Under the lock, so that the app's threads write nothing between.
            let _state = response.lock();
            let page = exchange.send_error_page(status, &message);
            (outcome.status, outcome.body_bytes) = (page.status, page.body_bytes);
        }
    }
}

/// True for an iterable without a `close()`, whose blocks all exist already.
fn is_list(iterable: &Bound<'_, PyAny>) -> bool {
    iterable.is_exact_instance_of::<PyList>() || iterable.is_exact_instance_of::<PyTuple>()
}

fn close(iterable: &Bound<'_, PyAny>) -> PyResult<()> {
    if is_list(iterable) {
        return Ok(());
    }
    match iterable.getattr_opt(intern!(iterable.py(), "close"))? {
        Some(close) => close.call0().map(drop),
        None => Ok(()),
    }
}

fn log_exception(py: Python<'_>, exchange: &Exchange, error: &PyErr) {
    ::log::error!(
        "Error handling request {} {}{}\n{}",
        exchange.head.method().escape_ascii(),
        exchange.head.target().escape_ascii(),
        exchange.note(),
        python::traceback::format(py, error)
    );
}
