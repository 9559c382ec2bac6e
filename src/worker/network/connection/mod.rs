//! One client's connection: from bytes to requests, and from responses to
//! bytes.
//!
//! The reactor owns the connection, except during a request: then the app's
//! thread reads and writes through it. [`io`] is the transport, [`request`] the
//! one request that HTTP/1.1 carries at a time, [`phase`] the table of phases
//! and transitions. The reactor's functions are in [`receiving`] and
//! [`answering`], the app's in [`app`], and those that end a connection for
//! other reasons in [`ending`].

mod answering;
mod app;
mod blocks;
mod detaching;
mod ending;
mod event;
mod http2;
mod io;
mod phase;
mod receiving;
mod request;
#[cfg(test)]
mod tests;

pub use answering::Expiry;
pub use event::Event;
pub use receiving::{Progress, Readiness};

use crate::exchange::Client;
use crate::http::{HeadParser, Policy, ProxyHeader, ProxyMode};
use crate::net::{ClientCertificate, TlsFacts};
use crate::scoreboard::Counter;
use crate::system::lock;
use crate::worker::network::context::Context;
use crate::worker::network::id::ConnectionId;
use crate::worker::network::rules::{Rules, deadline_after};
use crate::worker::request::refusal::Refusal;
use detaching::DetachedConnection;
use http2::Http2;
use io::Io;
use phase::{Phase, PhaseEvent};
use request::CurrentRequest;
use socket2::Socket;
use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

/// How many bytes are received at once.
pub const BLOCK: usize = 64 * 1024;

/// Bytes that a connection has received and sent are counted when it ends, each
/// second that it is with the app, and at the end of a request if they are so
/// many.
const MANY_BYTES: u64 = 16 * 1024;

/// A connection of a client.
pub struct Connection {
    pub id: ConnectionId,
    pub client: Client,
    context: Arc<Context>,
    /// The PROXY header, if the client sent one.
    proxy: OnceLock<ProxyHeader>,
    /// The client's TLS certificate, if it sent one.
    certificate: OnceLock<ClientCertificate>,
    tls: OnceLock<Option<Box<TlsFacts>>>,
    socket: Socket,
    state: Mutex<ConnectionState>,
}

pub struct ConnectionState {
    io: Io,
    request: CurrentRequest,
    phase: Phase,
    parser: HeadParser,
    /// True if there are received bytes that the parser has not seen.
    unparsed: bool,
    /// True once a part of the next request's head was received.
    head_begun: bool,
    /// How many requests were received.
    requests: u32,
    /// In [`Phase::Flush`]: true if the connection stays open after everything
    /// was sent.
    stays_open: bool,
    /// In [`Phase::Linger`]: how many more bytes of the client are read and
    /// ignored.
    bytes_to_ignore: usize,
    /// Set while the app has taken the connection.
    detached: Option<Box<DetachedConnection>>,
    /// True once the app has taken the connection. It then ends with that
    /// request.
    was_detached: bool,
    /// True once the connection was counted as one of another protocol.
    was_upgraded: bool,
    /// A request that was just refused, for the log.
    refusal: Option<Box<Refusal>>,
    /// True while the thread for late output has the connection on its list.
    is_expected: bool,
    /// Set once the connection carries HTTP/2.
    http2: Option<Box<Http2>>,
}

impl Connection {
    pub fn new(
        id: ConnectionId,
        client: Client,
        context: Arc<Context>,
        socket: Socket,
    ) -> Connection {
        let expects_proxy_header = context.rules.untrusted.proxy != ProxyMode::Off;
        let state = ConnectionState {
            io: Io::new(deadline_after(context.rules.head_timeout)),
            request: CurrentRequest::default(),
            phase: match expects_proxy_header {
                true => Phase::Proxy,
                false => Phase::Head,
            },
            parser: HeadParser::default(),
            unparsed: false,
            head_begun: false,
            requests: 0,
            stays_open: false,
            bytes_to_ignore: 0,
            detached: None,
            was_detached: false,
            was_upgraded: false,
            refusal: None,
            is_expected: false,
            http2: None,
        };
        let connection = Connection {
            id,
            client,
            context,
            proxy: OnceLock::new(),
            certificate: OnceLock::new(),
            tls: OnceLock::new(),
            socket,
            state: Mutex::new(state),
        };
        if !expects_proxy_header {
            connection.begin_tls(&mut connection.lock());
        }
        connection
    }

    pub fn lock(&self) -> MutexGuard<'_, ConnectionState> {
        lock(&self.state)
    }

    fn rules(&self) -> &Rules {
        &self.context.rules
    }

    /// What is accepted from the client.
    fn policy(&self) -> &Policy {
        match self.client.trusted {
            true => &self.rules().trusted,
            false => &self.rules().untrusted,
        }
    }

    /// Starts TLS on a new connection, if the listeners use it.
    fn begin_tls(&self, state: &mut ConnectionState) {
        if let Some(tls) = &self.rules().tls
            && !state.io.encrypt(tls)
        {
            state.phase.enter(PhaseEvent::End, Phase::Closed);
        }
    }

    /// Counts the bytes that were received and sent since the last time.
    pub fn count_bytes(&self, state: &mut ConnectionState) {
        let board = self.rules().board();
        board.count(Counter::BytesReceived, state.io.take_received());
        board.count(Counter::BytesSent, state.io.output.take_sent());
    }

    /// The same, once they are many: to count costs more than to add them up.
    fn count_many_bytes(&self, state: &mut ConnectionState) {
        if state.io.uncounted() >= MANY_BYTES {
            self.count_bytes(state);
        }
    }

    /// Counts the present request, unless that was done: an app may still answer
    /// a request that was given up.
    fn count_request(&self, state: &mut ConnectionState, status: u16) {
        let request = &mut state.request;
        if !std::mem::replace(&mut request.counted, true) {
            self.rules().board().answered(request.method, status);
        }
    }

    /// Counts that the connection now carries another protocol.
    fn count_upgrade(&self, state: &mut ConnectionState) {
        if !std::mem::replace(&mut state.was_upgraded, true) {
            self.rules().board().count(Counter::Upgrades, 1);
        }
    }

    /// True if the connection has no state except its socket, so that another
    /// worker can take it.
    fn can_move(&self) -> bool {
        self.rules().tls.is_none() && self.proxy.get().is_none()
    }

    /// True if the socket has something to read.
    fn has_input(&self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        self.socket.peek(&mut byte).is_ok_and(|length| length > 0)
    }

    /// Begins to wait for the next request.
    fn expect_request(&self, state: &mut ConnectionState, event: PhaseEvent) {
        state.phase.enter(event, Phase::Head);
        state.unparsed = !state.io.received.is_empty();
        state.io.deadline = deadline_after(Some(self.context.idle_timeout()));
    }
}

impl ConnectionState {
    /// The request that was refused since the last call.
    pub fn take_refusal(&mut self) -> Option<Box<Refusal>> {
        self.refusal.take()
    }

    /// What has happened in the streams of HTTP/2 since the last call.
    pub fn take_events(&mut self) -> Vec<Event> {
        let http2 = self.http2.as_mut();
        http2.map(|http2| http2.take_events()).unwrap_or_default()
    }

    /// When the connection must be checked even if nothing happens.
    pub fn deadline(&self) -> Option<Instant> {
        let body = self.request.body_deadline;
        let body = body.filter(|_| self.phase == Phase::App);
        let streams = self.http2.as_ref().and_then(|http2| http2.deadline());
        let deadlines = [self.io.deadline, body, streams];
        deadlines.into_iter().flatten().min()
    }

    /// True if no part of a request was received yet. (Empty lines before it do
    /// not count, RFC 9112 section 2.2.)
    pub fn is_unused(&self) -> bool {
        let is_waiting = match self.phase {
            Phase::Proxy | Phase::Head => true,
            Phase::Http2 => self.http2.as_ref().is_some_and(|it| it.is_unused()),
            _ => false,
        };
        let mut received = self.io.received.iter();
        is_waiting && self.requests == 0 && received.all(|byte| b"\r\n".contains(byte))
    }

    /// True if nothing was received since the connection began, or since the
    /// last response.
    fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Proxy | Phase::Head)
            && !self.head_begun
            && !self.unparsed
            && self.io.received.is_empty()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let board = self.rules().board();
        let mut state = self.lock();
        self.count_bytes(&mut state);
        if state.was_upgraded {
            board.count(Counter::UpgradesEnded, 1);
        }
        // Those of connections with requests are counted with the first one.
        match state
            .io
            .transport
            .handshake()
            .filter(|_| state.requests == 0)
        {
            Some(true) => board.count(Counter::TlsHandshakes, 1),
            Some(false) => board.count(Counter::TlsFailures, 1),
            None => {}
        }
    }
}

/// A buffer of [`BLOCK`] bytes for each thread. So a connection itself needs
/// memory only for received bytes.
fn with_buffer<T>(act: impl FnOnce(&mut [u8]) -> T) -> T {
    thread_local! {
        static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; BLOCK].into());
    }
    BUFFER.with_borrow_mut(|buffer| act(buffer))
}

/// Notes how much of the response was sent: if the client took some of it, its
/// time starts again.
fn note_sent(io: &mut Io, request: &mut CurrentRequest, rules: &Rules, sent: usize) {
    if sent > 0 {
        request.time_left = rules.send_timeout.unwrap_or(Duration::MAX);
        if io.deadline.is_some() {
            io.deadline = deadline_after(rules.send_timeout);
        }
    }
}
