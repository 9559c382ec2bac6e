//! Calling the app for one request.

use super::environ::{EnvironMaker, Request, Settings};
use super::exchange::{Answer, StartResponse, block, is_shared};
use super::file_wrapper::{Content, FileWrapper};
use super::input::Input;
use super::request_hooks::Seen;
use super::socket::{self, Sockets};
use crate::exchange::Stream;
use crate::http::{ErrorPage, HttpDate, ResponseHead, ResponseRules, Status};
use crate::log::{Whole, dropped_body, id_note};
use crate::python::{self, Hooks};
use pyo3::exceptions::{PyConnectionError, PyException, PyStopIteration, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use std::any::Any;
use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An app that was loaded, ready for requests.
pub struct Application {
    callable: Py<PyAny>,
    environs: EnvironMaker,
    sendfile: bool,
    server: Arc<str>,
    hooks: Hooks,
    sockets: Sockets,
    /// Objects of earlier requests that the app has let go.
    kits: Mutex<Vec<(Py<StartResponse>, Py<Input>)>>,
}

/// What the app is given for one request, besides the environ.
struct Kit<'py> {
    start: Bound<'py, StartResponse>,
    input: Bound<'py, Input>,
}

/// What the access log may ask about a response that was sent.
pub struct Finished<'a> {
    pub status: u16,
    /// Bytes of the body that went out.
    pub body_bytes: u64,
    pub response_field: &'a dyn Fn(&str) -> Option<Cow<'a, [u8]>>,
    /// Entries of the environ as text; names in any case.
    pub environ: &'a dyn Fn(&str) -> Option<Cow<'a, [u8]>>,
    /// The rest of the response, and the environ as a `Py<PyAny>`.
    pub whole: &'a dyn Fn() -> Whole,
}

impl Application {
    pub fn new(callable: Py<PyAny>, settings: &Settings) -> PyResult<Application> {
        Python::attach(|py| {
            Ok(Application {
                callable,
                environs: EnvironMaker::new(py, settings)?,
                sendfile: settings.sendfile,
                server: settings.server_header.as_str().into(),
                hooks: settings.hooks.clone(),
                sockets: Sockets::new(py, settings)?,
                kits: Mutex::default(),
            })
        })
    }

    /// Answers one request, whatever the app does: an exception is logged with
    /// its traceback and becomes a 500 if no part of a response was sent.
    /// `finished` is called after the last byte and before the iterable's
    /// `close()`. Gives whether the connection may be used again as far as
    /// the response is concerned.
    pub fn call(
        &self,
        request: &Request<'_>,
        rules: ResponseRules,
        date: HttpDate,
        stream: Arc<dyn Stream>,
        finished: impl FnOnce(&Finished<'_>),
    ) -> bool {
        Python::attach(|py| {
            let kit = self.kit(py, rules, date, stream);
            match kit.and_then(|kit| self.answer(py, request, kit, finished)) {
                Ok(keep_alive) => keep_alive,
                Err(error) => {
                    // Only a lack of memory leads here.
                    log_exception(py, request, &error);
                    false
                }
            }
        })
    }

    fn answer(
        &self,
        py: Python<'_>,
        request: &Request<'_>,
        Kit { start, input }: Kit<'_>,
        finished: impl FnOnce(&Finished<'_>),
    ) -> PyResult<bool> {
        let answer = start.get().answer();
        answer.lock().set_echo(request.echo);
        let seen = Seen::begin(&self.hooks, request, Some(input.as_any()));
        let mount = self.environs.mount(request);
        let environ = match (&seen, &mount) {
            (Err(error), _) => Err(error.clone_ref(py)),
            (Ok(_), Err(why)) => Err(PyValueError::new_err(why.clone())),
            (Ok(seen), Ok(mount)) => {
                let (hints, socket) = (start.get().early_hints(py), start.get().socket(py));
                let environ = self
                    .environs
                    .make(py, request, mount, &input, hints, socket);
                environ.and_then(|environ| seen.amend(&environ).map(|()| environ))
            }
        };
        let mut iterable = None;
        let result = environ
            .as_ref()
            .map_err(|error| error.clone_ref(py))
            .and_then(|environ| {
                let blocks = self.callable.bind(py).call1((environ, &start))?;
                self.send(py, iterable.insert(blocks), answer)
            });

        let refused = match (input.get().finish(), mount) {
            (Some(body), _) => Some((body.status(), body.to_string())),
            (None, Err(why)) if seen.is_ok() => Some((Status::SERVER_ERROR, why)),
            _ => None,
        };
        let mut outcome = Outcome::of(answer);
        if let Err(error) = result {
            outcome.keep_alive = false;
            self.failed(py, request, answer, &error, refused, &mut outcome);
        }
        if outcome.dropped_body {
            let head = request.head;
            dropped_body(head.method(), head.target(), outcome.status);
        }
        let (head, given) = {
            let mut exchange = answer.lock();
            (exchange.close(), exchange.is_given())
        };
        // What an app has answered in its own way, nobody knows.
        if !outcome.given || outcome.upgraded || head.is_some() {
            finished(&Finished {
                status: outcome.status,
                body_bytes: outcome.body_bytes,
                response_field: &|name| head.as_ref()?.field(name),
                environ: &|name| environ_text(environ.as_ref().ok()?, name),
                whole: &|| Whole {
                    status: head
                        .as_ref()
                        .map_or_else(Vec::new, |it| it.status().to_vec()),
                    response_fields: Whole::fields(head.iter().flat_map(ResponseHead::fields)),
                    environ: environ
                        .as_ref()
                        .ok()
                        .map(|it| -> Box<dyn Any> { Box::new(it.clone().into_any().unbind()) }),
                    ..Whole::default()
                },
            });
        }
        if let Some(iterable) = iterable
            && let Err(error) = close(&iterable)
        {
            log_exception(py, request, &error);
        }
        self.environs.errors().flush();
        if let (Ok(seen), Ok(environ)) = (seen, &environ) {
            let Outcome {
                body_bytes,
                keep_alive,
                ..
            } = outcome;
            let environ = environ.clone().into_any().unbind();
            seen.end(Some(&environ), head.as_ref(), body_bytes, keep_alive);
        }
        drop(environ);
        match given {
            true => socket::part(start.get().socket(py), outcome.upgraded),
            false => self.keep(Kit { start, input }),
        }
        Ok(outcome.keep_alive)
    }

    /// The objects of a request, old ones if there are any.
    fn kit<'py>(
        &self,
        py: Python<'py>,
        rules: ResponseRules,
        date: HttpDate,
        stream: Arc<dyn Stream>,
    ) -> PyResult<Kit<'py>> {
        // Not under the lock: making the first of a class lets the GIL go.
        let old = self.kits().pop();
        let kit = match old {
            Some((start, input)) => Kit {
                start: start.into_bound(py),
                input: input.into_bound(py),
            },
            None => Kit {
                start: Bound::new(
                    py,
                    StartResponse::new(py, Arc::clone(&self.server), &self.sockets)?,
                )?,
                input: Bound::new(py, Input::new())?,
            },
        };
        kit.input.get().begin(Arc::clone(&stream));
        kit.start.get().answer().begin(rules, date, stream);
        Ok(kit)
    }

    /// Keeps the objects for another request, unless the app still has them.
    fn keep(&self, Kit { start, input }: Kit<'_>) {
        const MOST: usize = 64;
        let shared =
            is_shared(start.as_any()) || is_shared(&input) || start.get().is_shared(start.py());
        let mut kits = self.kits();
        if !shared && kits.len() < MOST {
            kits.push((start.unbind(), input.unbind()));
        }
    }

    /// No Python code runs while this is held.
    fn kits(&self) -> MutexGuard<'_, Vec<(Py<StartResponse>, Py<Input>)>> {
        self.kits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what the app returned.
    fn send<'py>(
        &self,
        py: Python<'py>,
        iterable: &Bound<'py, PyAny>,
        answer: &Answer,
    ) -> PyResult<()> {
        if let Ok(wrapper) = iterable.cast::<FileWrapper>()
            && self.sendfile
            && let Some(content) = wrapper.get().content(py)?
        {
            return match content {
                Content::Small(bytes) => answer.send_all(&[&bytes]),
                Content::Large(file) => answer.send_file(file),
            };
        }
        // The blocks of a list or tuple exist already, so they can go out
        // together and with their length.
        if is_list(iterable) {
            if iterable.len()? == 1 {
                let item = iterable.get_item(0)?;
                return answer.send_all(&[block(&item)?.as_bytes()]);
            }
            let items = iterable.try_iter()?.collect::<PyResult<Vec<_>>>()?;
            let blocks = items.iter().map(block).collect::<PyResult<Vec<_>>>()?;
            let blocks: Vec<&[u8]> = blocks.iter().map(|block| block.as_bytes()).collect();
            return answer.send_all(&blocks);
        }
        let items = match iterable.try_iter() {
            // Then it need not return anything.
            Err(_) if answer.lock().is_given() => return Ok(()),
            items => items?,
        };
        for item in items {
            let item = item?;
            let block = block(&item)?.as_bytes();
            if !block.is_empty() {
                answer.send(&[block])?;
            }
        }
        answer.end()
    }

    /// Logs why there is no whole response, and answers if nothing was sent.
    fn failed(
        &self,
        py: Python<'_>,
        request: &Request<'_>,
        answer: &Answer,
        error: &PyErr,
        refused: Option<(Status, String)>,
        outcome: &mut Outcome,
    ) {
        let (broken, sent, date) = {
            let exchange = answer.lock();
            let sent = exchange.body().is_some();
            (exchange.is_broken(), sent, exchange.date())
        };
        if outcome.given && !sent {
            // It says so in one of these ways, or by an answer that is none.
            let done = broken
                || !error.is_instance_of::<PyException>(py)
                || error.is_instance_of::<PyStopIteration>(py)
                || error.is_instance_of::<PyConnectionError>(py);
            match done {
                true => ::log::debug!("The app has ended the connection itself. {error}"),
                false => log_exception(py, request, error),
            }
            return;
        }
        if broken {
            ::log::debug!("Ignored premature client disconnection. {error}");
            return;
        }
        let (status, message) = match refused {
            // The app could not go on, or begin, because of the request.
            Some((status, why)) => {
                let (address, note) = (request.remote_addr, id_note(request.id));
                ::log::warn!("Invalid request from ip={address}{note}: {why}");
                (status, why)
            }
            None => {
                log_exception(py, request, error);
                (Status::SERVER_ERROR, String::new())
            }
        };
        if !sent {
            let page = ErrorPage {
                status,
                message: &message,
                date: date.as_str(),
                is_head: request.head.method() == b"HEAD",
                fields: request.echo.as_slice(),
            }
            .render();
            outcome.status = status.code;
            if answer.lock().send_raw(&page.bytes).is_ok() {
                outcome.body_bytes = page.body_length as u64;
            }
        }
    }
}

struct Outcome {
    status: u16,
    body_bytes: u64,
    keep_alive: bool,
    dropped_body: bool,
    /// The app has taken the connection, and perhaps for another protocol.
    given: bool,
    upgraded: bool,
}

impl Outcome {
    fn of(answer: &Answer) -> Outcome {
        let exchange = answer.lock();
        let code = exchange.head().map(|head| head.code());
        Outcome {
            status: match exchange.is_upgraded() {
                true => Status::SWITCHING_PROTOCOLS.code,
                false => code.unwrap_or(Status::SERVER_ERROR.code),
            },
            given: exchange.is_given(),
            upgraded: exchange.is_upgraded(),
            body_bytes: exchange.body().map_or(0, |body| body.sent()),
            keep_alive: exchange.body().is_some_and(|body| body.keeps_alive()),
            dropped_body: exchange.body().is_some_and(|body| body.was_dropped()),
        }
    }
}

/// True for what cannot have a `close()` and holds all blocks already.
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

fn log_exception(py: Python<'_>, request: &Request<'_>, error: &PyErr) {
    ::log::error!(
        "Error handling request {} {}{}\n{}",
        request.head.method().escape_ascii(),
        request.head.target().escape_ascii(),
        id_note(request.id),
        python::traceback::format(py, error)
    );
}

fn environ_text<'a>(environ: &Bound<'_, PyDict>, name: &str) -> Option<Cow<'a, [u8]>> {
    let (_, value) = environ.iter().find(|(key, _)| {
        key.extract::<&str>()
            .is_ok_and(|key| key.eq_ignore_ascii_case(name))
    })?;
    let text = value.str().ok()?.to_string_lossy().into_owned();
    // WSGI's text is bytes, each as the character of that number (PEP 3333).
    let bytes: Option<Vec<u8>> = text.chars().map(|it| u8::try_from(it).ok()).collect();
    Some(bytes.unwrap_or_else(|| text.into_bytes()).into())
}
