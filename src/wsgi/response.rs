//! The response to one request. Several objects of the app write to it.

use super::file_wrapper::Sendable;
use crate::exchange::{Detached, Exchange, Finished, Response, Stream};
use crate::http::{Interim, ResponseHead, Status, Version};
use crate::system::lock;
use nix::libc;
use pyo3::exceptions::{PyAssertionError, PyValueError};
use pyo3::prelude::*;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard};

/// The response to one request. No Python code runs while its lock is held: a
/// thread that waits for the lock may hold the GIL.
#[derive(Default)]
pub struct SharedResponse(Mutex<ResponseState>);

/// The state of the response.
#[derive(Default)]
pub struct ResponseState {
    pub response: Response,
    /// Nothing once the request is over.
    stream: Option<Arc<dyn Stream>>,
    /// Lines of fields that follow the body.
    trailers: Vec<u8>,
    /// True if the client cannot be written to any more.
    broken: bool,
    /// True once the app has taken the connection.
    detached: bool,
}

impl SharedResponse {
    /// Begins another request's response.
    pub fn begin(&self, exchange: &Exchange) {
        *self.lock() = ResponseState {
            response: Response::new(exchange),
            stream: Some(Arc::clone(exchange.stream())),
            trailers: Vec::new(),
            broken: false,
            detached: false,
        };
    }

    pub fn lock(&self) -> MutexGuard<'_, ResponseState> {
        lock(&self.0)
    }

    /// Sends blocks of the body, and the head before the first one. Then waits
    /// if the client is slow.
    pub fn send(&self, blocks: &[&[u8]]) -> PyResult<()> {
        self.send_and_wait(|state| state.send(blocks, false))
    }

    /// Sends an interim response, if the response has not begun. Then waits if
    /// the client is slow.
    pub fn send_early_hints(&self, hints: &Interim) -> PyResult<()> {
        self.send_and_wait(|state| state.send_early_hints(hints))
    }

    fn send_and_wait(
        &self,
        send: impl FnOnce(&mut ResponseState) -> PyResult<bool>,
    ) -> PyResult<()> {
        let stream = {
            let mut state = self.lock();
            match send(&mut state)? {
                true => state.stream.clone(),
                false => None,
            }
        };
        // Not under the lock: a thread that waits for the lock may hold the
        // GIL.
        let Some(stream) = stream else {
            return Ok(());
        };
        stream.wait_for_room().map_err(|error| {
            self.lock().broken = true;
            error.into()
        })
    }

    /// Sends blocks that are the whole body, in one write with the head if it
    /// was not sent. Does not wait: the app has nothing more to send.
    pub fn send_all(&self, blocks: &[&[u8]]) -> PyResult<()> {
        let mut state = self.lock();
        let length = blocks.iter().map(|block| block.len() as u64).sum();
        state.response.set_known_length(length);
        state.send(blocks, true).map(drop)
    }

    /// Sends a file's rest as the whole body.
    pub fn send_file(&self, file: Sendable) -> PyResult<()> {
        self.lock().send_file(file).map(drop)
    }

    /// Ends the body after blocks that were sent one by one.
    pub fn end(&self) -> PyResult<()> {
        self.lock().send(&[], true).map(drop)
    }
}

impl ResponseState {
    /// True if the client cannot be written to any more.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// True once the app has taken the connection.
    pub fn is_detached(&self) -> bool {
        self.detached
    }

    /// True once the app has taken the connection for another protocol.
    pub fn is_upgraded(&self) -> bool {
        self.detached && self.response.rules().asks_to_upgrade
    }

    /// The response at its end, without its head.
    pub fn finished(&self) -> Finished<'static> {
        let (head, body) = (self.response.head(), self.response.body());
        Finished {
            status: match self.is_upgraded() {
                true => Status::SWITCHING_PROTOCOLS.code,
                false => head.map_or(Status::SERVER_ERROR.code, |head| head.code()),
            },
            body_bytes: body.map_or(0, |body| body.sent()),
            keep_alive: body.is_some_and(|body| body.keeps_alive()),
            broken: false,
            head: None,
            environ: None,
        }
    }

    /// Gives the connection to the app.
    pub fn detach(&mut self) -> io::Result<Detached> {
        let for_good = self.response.rules().asks_to_upgrade;
        let detached = self.client()?.detach(for_good)?;
        self.detached = true;
        self.response.close_connection();
        Ok(detached)
    }

    /// Another descriptor of the client's socket.
    pub fn duplicate(&self) -> io::Result<OwnedFd> {
        self.client()?.duplicate_socket()
    }

    pub fn app_has_closed(&self) {
        if let Ok(stream) = self.client() {
            stream.app_has_closed();
        }
    }

    /// The stream. After the request, the error is that of a closed socket.
    fn client(&self) -> io::Result<&Arc<dyn Stream>> {
        let closed = || io::Error::from_raw_os_error(libc::EBADF);
        self.stream.as_ref().ok_or_else(closed)
    }

    /// Ends the response: the app's objects can write nothing any more. Gives
    /// the app's head, if it has set one.
    pub fn close(&mut self) -> Option<ResponseHead> {
        self.stream = None;
        self.response.take_head()
    }

    /// Sends an interim response (RFC 8297) if the response has not begun.
    /// Clients of HTTP/1.0 do not know interim responses and get none.
    fn send_early_hints(&mut self, hints: &Interim) -> PyResult<bool> {
        match self.response.has_begun() || self.response.rules().version < Version::Http11 {
            true => Ok(false),
            false => {
                let stream = self.stream.as_deref().ok_or_else(after_request)?;
                let written = stream.write_interim(hints);
                self.note(written)
            }
        }
    }

    /// Sends lines of fields after the body, in HTTP/2.
    pub fn set_trailers(&mut self, lines: Vec<u8>) -> PyResult<()> {
        self.stream.as_ref().ok_or_else(after_request)?;
        self.trailers = lines;
        Ok(())
    }

    fn send(&mut self, blocks: &[&[u8]], is_last: bool) -> PyResult<bool> {
        let has_trailers = is_last && !self.trailers.is_empty();
        let (response, stream) = self.for_body()?;
        let sent = response.send(stream, blocks, is_last && !has_trailers);
        match has_trailers {
            true => self.note_and_end(sent),
            false => self.note(sent),
        }
    }

    fn send_file(&mut self, file: Sendable) -> PyResult<bool> {
        let Sendable {
            file,
            offset,
            length,
        } = file;
        let has_trailers = !self.trailers.is_empty();
        let (response, stream) = self.for_body()?;
        response.set_known_length(length);
        let sent = response.send_file(stream, file, offset, length, !has_trailers);
        match has_trailers {
            true => self.note_and_end(sent),
            false => self.note(sent),
        }
    }

    /// Notes an error, or ends the response with its trailers.
    fn note_and_end(&mut self, sent: io::Result<bool>) -> PyResult<bool> {
        let waits = self.note(sent)?;
        let trailers = std::mem::take(&mut self.trailers);
        let (response, stream) = self.for_body()?;
        let sent = response.end_with_trailers(stream, &trailers);
        Ok(self.note(sent)? || waits)
    }

    /// The response and its stream, if the app may send a part of the body.
    fn for_body(&mut self) -> PyResult<(&mut Response, &dyn Stream)> {
        if self.is_upgraded() || self.detached && self.response.head().is_none() {
            // The app has answered through its own socket.
            self.broken = true;
            return Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
        }
        let stream = self.stream.as_deref().ok_or_else(after_request)?;
        match self.response.head() {
            Some(_) => Ok((&mut self.response, stream)),
            None => Err(PyAssertionError::new_err(
                "the app gave a response body before it called start_response",
            )),
        }
    }

    /// Notes an error. True if the app should wait before it sends more.
    fn note(&mut self, result: io::Result<bool>) -> PyResult<bool> {
        self.broken |= result.is_err();
        Ok(result?)
    }
}

fn after_request() -> PyErr {
    PyValueError::new_err("the response was written to after its request ended")
}
