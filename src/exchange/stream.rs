//! The way to the client of one request, and back.

use super::client::Client;
use super::rules::ExchangeRules;
use crate::http::{BodyError, ProxyHeader};
use crate::net::{ClientCertificate, TlsFacts};
use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;

/// One request's part of a connection. Over HTTP/1.1 a connection is one such
/// stream at a time.
///
/// Reading and writing never wait. Only `wait_for_body` and `wait_for_room` do:
/// they are called with the GIL held, and release it meanwhile in the way of
/// the worker class.
pub trait Stream: Send + Sync {
    /// Names the stream among those of its worker.
    fn key(&self) -> u64;

    fn client(&self) -> &Client;

    fn rules(&self) -> &ExchangeRules;

    /// What a PROXY header has told of the connection.
    fn proxy_header(&self) -> Option<&ProxyHeader>;

    /// What the client has shown over TLS.
    fn certificate(&self) -> Option<&ClientCertificate>;

    /// What was agreed upon, if TLS is spoken.
    fn tls(&self) -> Option<&TlsFacts>;

    /// Appends bytes of the body that are there to `into` and gives their
    /// number: 0 once the body has ended, nothing when more must be waited for.
    fn read(&self, into: &mut Vec<u8>) -> Result<Option<usize>, BodyError>;

    /// Waits until there may be something to read.
    ///
    /// # Errors
    /// `TooSlow` when the client has had its time.
    fn wait_for_body(&self) -> Result<(), BodyError>;

    /// The app waits for more of the body, but not in this thread: the client's
    /// time for it begins.
    fn expect_body(&self);

    /// Writes all of the parts. True asks to wait before more is written.
    fn write(&self, parts: &mut [IoSlice<'_>]) -> io::Result<bool>;

    /// Writes an interim response, one of the 1xx (RFC 9110 section 15.2); the
    /// answer is still to come. True asks to wait before more is written.
    fn write_interim(&self, response: &[u8]) -> io::Result<bool>;

    /// Writes `length` bytes of a file from `offset`, after what was written
    /// before. True asks to wait before more is written.
    fn send_file(&self, file: OwnedFd, offset: u64, length: u64) -> io::Result<bool>;

    /// Waits until more may be written.
    ///
    /// # Errors
    /// `TimedOut` when the client has had its time, or what the socket says.
    fn wait_for_room(&self) -> io::Result<()>;

    /// True while the app is asked to wait before it writes more.
    fn is_held_back(&self) -> bool;

    /// True if the connection may stay open after the answer, as far as the
    /// worker is concerned.
    fn may_stay(&self) -> bool;

    /// True once the client has ended its side of the connection, or all of it.
    fn has_hung_up(&self) -> bool;

    /// From now on bytes of another protocol are read and written (RFC 9110
    /// section 7.8).
    fn upgrade(&self);

    /// Gives the connection to the app, which may read and write by the
    /// descriptor until the request ends. What was received and not read comes
    /// first. If it is given `for_good`, [`write`](Stream::write) writes nothing
    /// any more; else the answer goes out after what the app has written.
    fn detach(&self, for_good: bool) -> io::Result<Detached>;

    /// Another descriptor of the client's socket, for its addresses and options.
    fn duplicate_socket(&self) -> io::Result<OwnedFd>;

    /// The app has closed what [`detach`](Stream::detach) gave it, and has no
    /// copy.
    fn app_has_closed(&self);

    /// True if the app has the connection for another protocol, whose time is
    /// its own.
    fn is_detached_for_good(&self) -> bool;

    /// Lets the app find the end of what its client sends. It may still answer
    /// that.
    fn end_for_app(&self);

    /// Answers in the app's place if nothing was sent, and lets nothing more
    /// be written. Any thread may call it. Gives whether it has answered.
    fn refuse(&self, response: &[u8]) -> bool;

    /// Ends the request: the connection waits for the next one, or is closed
    /// after everything was sent.
    fn finish(&self, keep_alive: bool);

    /// Ends the request and the connection, at once.
    fn abort(&self);
}

/// A connection as the app gets it.
pub struct Detached {
    pub descriptor: OwnedFd,
    /// True for the client's own socket, false for one end of a pair with the
    /// server between.
    pub is_clients: bool,
}
