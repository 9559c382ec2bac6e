//! WSGI (PEP 3333): one request of one app.
//!
//! [`Application::call`] makes the environ, calls the app and frames what it
//! answers. The bytes come and go through a [`Channel`]; what is behind it is
//! the worker's business.

mod application;
mod environ;
mod errors;
mod exchange;
mod file_wrapper;
mod input;
mod request_hooks;
mod socket;
mod text;

pub use application::{Application, Finished};
pub use environ::{Request, Settings};
pub use request_hooks::Seen;
pub use socket::Given;

use crate::http::BodyError;
use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;

/// The way to the client of one request, and back.
///
/// Reading and writing never wait. Only the two functions that say so do: they
/// are called with the GIL held, and let it go meanwhile in whatever way the
/// worker class has.
pub trait Channel: Send + Sync {
    /// Appends bytes of the body that are there to `into` and gives their
    /// number: 0 once the body has ended, nothing when some must be waited for.
    fn read(&self, into: &mut Vec<u8>) -> Result<Option<usize>, BodyError>;

    /// Waits until there may be something to read.
    fn wait_for_body(&self) -> Result<(), BodyError>;

    /// Writes all of the parts. True asks to wait before more is written.
    fn write(&self, parts: &mut [IoSlice<'_>]) -> io::Result<bool>;

    /// Writes an interim response, one of the 1xx; the answer is still to come.
    /// True asks to wait before more is written.
    fn inform(&self, interim: &[u8]) -> io::Result<bool>;

    /// Writes `length` bytes of a file from `offset`, when their turn comes.
    /// True asks to wait before more is written.
    fn send_file(&self, file: OwnedFd, offset: u64, length: u64) -> io::Result<bool>;

    /// Waits until more may be written.
    fn wait_for_room(&self) -> io::Result<()>;

    /// True if the connection may stay open after the answer, as far as the
    /// worker is concerned: one that ends does not want it.
    fn may_stay(&self) -> bool;

    /// Gives the connection to the app, which may read and write by the
    /// descriptor until the request ends. What was received and not read comes
    /// first. Nothing is written by [`write`](Channel::write) any more if it is
    /// given `for_good`; else the answer goes out after what the app has written.
    fn give_away(&self, for_good: bool) -> io::Result<Given>;

    /// Another descriptor of the client's socket, for its addresses and options.
    fn look(&self) -> io::Result<OwnedFd>;

    /// The app has closed what it was given, and has no copy.
    fn app_has_closed(&self);
}

#[cfg(test)]
mod tests;
