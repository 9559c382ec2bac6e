//! ASGI 3 (HTTP, WebSocket and lifespan message formats, version 2.4): one
//! request of one app, on the app's event loop.
//!
//! [`Application::http`] and [`Application::websocket`] make the scope, start
//! the app as a task and give an [`Http`] or a [`WebSocket`]: what the app
//! holds as `receive` and `send`, and what the worker tells of the connection.
//! Nothing waits here: what is behind the exchange is a [`Channel`], which is
//! the worker's business, and a message that has not come suspends the task.

mod answer;
mod application;
mod awaitable;
mod fields;
mod http;
mod message;
mod scope;
mod websocket;

pub use application::{Application, Call, Settings};

pub use scope::Request;

use crate::http::{BodyError, Head, ResponseHead, ResponseRules, Status};
use answer::Answer;
use std::fs::File;
use std::io::{self, IoSlice};

/// The client's end of one exchange. No call waits.
pub trait Channel: Send {
    /// The request.
    fn head(&self) -> &Head;

    /// What decides how the response is framed.
    fn rules(&self) -> ResponseRules;

    /// The values of the response's `Server` and `Date`.
    fn stamp(&self) -> (&str, &str);

    /// What the logs call the request.
    fn id(&self) -> Option<&str>;

    /// A field of the response, unless the app gives it itself.
    fn echo(&self) -> Option<(&str, &str)>;

    /// Appends what has come of the request's body to `into`.
    fn read(&mut self, into: &mut Vec<u8>) -> Result<Progress, BodyError>;

    /// Sends the parts, or keeps what the client does not take yet.
    fn write(&mut self, parts: &mut [IoSlice<'_>]) -> io::Result<()>;

    /// Sends an interim response, one of the 1xx; the answer is still to come.
    fn inform(&mut self, interim: &[u8]) -> io::Result<()>;

    /// Sends `length` bytes of a file from `offset`, in turn with the writes.
    fn send_file(&mut self, file: File, offset: u64, length: u64) -> io::Result<()>;

    /// True while so much is kept that the app should wait.
    fn is_full(&self) -> bool;

    /// The response is complete, or broken off.
    fn finish(self: Box<Self>, finished: &Finished<'_>);

    /// From now on the bytes belong to neither HTTP nor this connection's
    /// other requests.
    fn upgrade(&mut self);

    /// Appends what has come since the upgrade to `into`; `Ended` once the
    /// client sends no more.
    fn receive(&mut self, into: &mut Vec<u8>) -> io::Result<Progress>;

    /// Ends an upgraded connection after all that was written.
    fn close(self: Box<Self>, finished: &Finished<'_>);

    /// True once the client has ended its side of the connection: it may
    /// still read, but most are gone.
    fn has_hung_up(&self) -> bool;
}

/// Answers with a page of the server's own, in place of the app.
pub fn fail(channel: Box<dyn Channel>, status: Status) {
    Answer::Nothing.fail(channel, status, "");
}

/// What a read has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Bytes, and there will be more.
    Some,
    /// The last bytes, or none; there will be no more.
    Ended,
    /// Nothing yet: the worker tells when there is.
    Waiting,
}

/// What the worker and the access log learn of a response at its end.
pub struct Finished<'a> {
    pub status: u16,
    /// Bytes of the body that went out.
    pub body_bytes: u64,
    /// True if another request may follow, as far as the response is concerned.
    pub keep_alive: bool,
    /// True if the response was broken off: the client must not take what it
    /// has for all of it.
    pub broken: bool,
    /// As the app gave it; nothing where it is the server's own, or that of an
    /// upgrade.
    pub head: Option<&'a ResponseHead>,
}

#[cfg(test)]
mod tests;
