//! How a request's app reads from its client and writes to it.

use super::client::Client;
use super::date::today;
use super::rules::ExchangeRules;
use crate::http::{BodyError, ErrorPage, HttpDate, Interim, ProxyHeader, ResponseHead};
use crate::net::{ClientCertificate, TlsFacts};
use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;

/// One request's part of a connection. An HTTP/1.1 connection carries one
/// stream at a time, an HTTP/2 connection many.
///
/// Reading and writing never wait. Only `wait_for_body` and `wait_for_room`
/// wait: they are called with the GIL held, and release it meanwhile as the
/// worker class needs it.
pub trait Stream: Send + Sync {
    /// A number that no other stream of the worker has.
    fn key(&self) -> u64;

    fn client(&self) -> &Client;

    fn rules(&self) -> &ExchangeRules;

    /// The current value of the `Date` field.
    fn date(&self) -> HttpDate {
        today()
    }

    /// The PROXY header of the connection, if the client sent one.
    fn proxy_header(&self) -> Option<&ProxyHeader>;

    /// The client's TLS certificate, if it sent one.
    fn certificate(&self) -> Option<&ClientCertificate>;

    /// The version, cipher suite and certificates of TLS; nothing without TLS.
    fn tls(&self) -> Option<&TlsFacts>;

    /// Appends the body's received bytes to `into` and gives their number: 0
    /// after the end of the body, nothing when the app must wait for more.
    fn read(&self, into: &mut Vec<u8>) -> Result<Option<usize>, BodyError>;

    /// Waits until there may be something to read.
    ///
    /// # Errors
    /// `TooSlow` when the client's time is over.
    fn wait_for_body(&self) -> Result<(), BodyError>;

    /// Says that the app waits for more of the body, but not in this thread:
    /// the client's time for the body begins.
    fn expect_body(&self);

    /// Counts the final response, whose head is about to be written.
    fn count_response(&self, status: u16);

    /// The frames in which this stream carries responses; nothing if it carries
    /// the text of HTTP/1.1.
    fn frames(&self) -> Option<&dyn Frames> {
        None
    }

    /// The number of the connection, if other streams share it.
    fn shared_connection(&self) -> Option<u64> {
        None
    }

    /// Writes all of the parts: the text of a response, or bytes of another
    /// protocol after [`upgrade`](Stream::upgrade). True if the app should wait
    /// before it writes more.
    fn write(&self, parts: &mut [IoSlice<'_>]) -> io::Result<bool>;

    /// Writes a block of a body that is not its last one, in the same way. It may wait
    /// a moment for the next one, and is then sent whatever the app does.
    fn write_block(&self, parts: &mut [IoSlice<'_>]) -> io::Result<bool> {
        self.write(parts)
    }

    /// Writes an interim response, one of the 1xx (RFC 9110 section 15.2). The
    /// final response is still to come. True if the app should wait before it
    /// writes more.
    fn write_interim(&self, interim: &Interim) -> io::Result<bool>;

    /// Writes `length` bytes of a file from `offset`, after everything that was
    /// written before. True if the app should wait before it writes more.
    fn send_file(&self, file: OwnedFd, offset: u64, length: u64) -> io::Result<bool>;

    /// Waits until more may be written.
    ///
    /// # Errors
    /// `TimedOut` when the client's time is over, or the socket's error.
    fn wait_for_room(&self) -> io::Result<()>;

    /// True while the app should wait before it writes more.
    fn is_held_back(&self) -> bool;

    /// True if the worker allows the connection to stay open after the
    /// response.
    fn may_stay(&self) -> bool;

    /// True once the client has closed the connection, or its sending side.
    fn has_hung_up(&self) -> bool;

    /// From now on the bytes read and written belong to another protocol (RFC
    /// 9110 section 7.8).
    fn upgrade(&self);

    /// Gives the connection to the app. The app may read and write through the
    /// descriptor until the request ends; it first reads the bytes that the
    /// server has received and not used. If the app gets the connection
    /// `for_good`, [`write`](Stream::write) writes nothing any more. Otherwise
    /// the response goes out after the bytes that the app has written.
    fn detach(&self, for_good: bool) -> io::Result<Detached>;

    /// Another descriptor of the client's socket, for its addresses and options.
    fn duplicate_socket(&self) -> io::Result<OwnedFd>;

    /// Says that the app has closed the descriptor from
    /// [`detach`](Stream::detach), and has no copy of it.
    fn app_has_closed(&self);

    /// True if the app has taken the connection for another protocol. No time
    /// limit of HTTP applies to it.
    fn is_detached_for_good(&self) -> bool;

    /// Ends the client's input for an app that has taken the connection. The
    /// app may still write.
    fn end_for_app(&self);

    /// Sends this page, and counts it, in place of the app's response, unless a
    /// part of that was sent. In both cases nothing more can be written. Any thread
    /// may call it. True if the page was sent.
    fn refuse(&self, page: &ErrorPage) -> bool;

    /// Ends the request. The connection waits for the next request, or is
    /// closed after everything was sent.
    fn finish(&self, keep_alive: bool);

    /// Ends the request and closes the connection at once.
    fn abort(&self);
}

/// How a stream of HTTP/2 carries a response: as heads, data and ends, of which it
/// makes frames itself (RFC 9113 section 8.1). True results as from
/// [`Stream::write`].
pub trait Frames {
    /// Sends the head, with the fields `Server` and `Date` before the app's.
    fn send_head(&self, head: &ResponseHead, date: HttpDate) -> io::Result<()>;

    /// Sends blocks of the body, and the end of the response after the last one.
    fn send_data(&self, blocks: &[IoSlice<'_>], is_last: bool) -> io::Result<bool>;

    /// Sends `length` bytes of a file from `offset` in the same way.
    fn send_file(&self, file: OwnedFd, offset: u64, length: u64, is_last: bool)
    -> io::Result<bool>;

    /// Sends the end of the response with trailers, lines of fields.
    fn send_trailers(&self, lines: &[u8]) -> io::Result<bool>;

    /// Sends an error page as the whole response.
    fn send_page(&self, page: &ErrorPage) -> io::Result<bool>;
}

/// A connection that was given to the app.
pub struct Detached {
    pub descriptor: OwnedFd,
    /// True for the client's own socket; false for one end of a socket pair
    /// whose other end the server has.
    pub is_clients: bool,
}
