//! One client's connection: from bytes to requests and back.
//!
//! It belongs to the reactor except for the time of a request, when the thread
//! that runs the app reads and writes through it. [`io`] is the transport,
//! [`request`] the one request that HTTP/1.1 carries at a time, [`phase`] the
//! table of what may follow what. What the reactor does with a connection is in
//! [`receiving`] and [`answering`], what the app does in [`app`], and the ways
//! to its end are in [`ending`].

mod answering;
mod app;
mod detached;
mod detaching;
mod ending;
mod io;
mod phase;
mod receiving;
mod request;
#[cfg(test)]
mod tests;

pub use answering::Expired;
pub use receiving::{Heard, Progress};

use crate::exchange::Client;
use crate::http::{HeadParser, ProxyHeader, ProxyMode};
use crate::net::{ClientCertificate, TlsFacts};
use crate::worker::network::context::Context;
use crate::worker::network::id::Id;
use crate::worker::network::rules::{Rules, deadline_after};
use crate::worker::request::refusal::Refusal;
use detached::Detached;
use io::Io;
use phase::{Event, Phase};
use request::CurrentRequest;
use socket2::Socket;
use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How much is received at once, in bytes.
pub const BLOCK: usize = 64 * 1024;

/// A connection and what is known of it.
pub struct Connection {
    pub id: Id,
    pub client: Client,
    context: Arc<Context>,
    /// What a PROXY header has told.
    proxy: OnceLock<ProxyHeader>,
    /// What the client has shown over TLS.
    certificate: OnceLock<ClientCertificate>,
    tls: OnceLock<Option<Box<TlsFacts>>>,
    socket: Socket,
    state: Mutex<State>,
}

pub struct State {
    io: Io,
    request: CurrentRequest,
    phase: Phase,
    parser: HeadParser,
    /// True if the parser has not seen what was received.
    unparsed: bool,
    /// True once a part of the next request has come.
    begun: bool,
    /// Requests that were taken from here.
    requests: u32,
    /// In [`Phase::Flush`]: the connection stays open when all was sent.
    stays: bool,
    /// In [`Phase::Linger`]: how many bytes of the client are still ignored.
    ignored: usize,
    /// While the app has taken the connection.
    detached: Option<Box<Detached>>,
    /// True once the app has taken the connection, which ends with that request.
    was_detached: bool,
    /// For the log: a request that was refused just now.
    refusal: Option<Box<Refusal>>,
}

impl Connection {
    pub fn new(id: Id, client: Client, context: Arc<Context>, socket: Socket) -> Connection {
        let proxied = context.rules.untrusted.proxy != ProxyMode::Off;
        let state = State {
            io: Io::new(deadline_after(context.rules.head_timeout)),
            request: CurrentRequest::default(),
            phase: match proxied {
                true => Phase::Proxy,
                false => Phase::Head,
            },
            parser: HeadParser::default(),
            unparsed: false,
            begun: false,
            requests: 0,
            stays: false,
            ignored: 0,
            detached: None,
            was_detached: false,
            refusal: None,
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
        if !proxied {
            connection.begin_tls(&mut connection.lock());
        }
        connection
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rules(&self) -> &Rules {
        &self.context.rules
    }

    /// Encrypts a connection that begins, if TLS is spoken.
    fn begin_tls(&self, state: &mut State) {
        if let Some(tls) = &self.rules().tls
            && !state.io.encrypt(tls)
        {
            state.phase.enter(Event::End, Phase::Closed);
        }
    }

    /// True if all that is known of the connection goes over with its socket.
    fn can_move(&self) -> bool {
        self.rules().tls.is_none() && self.proxy.get().is_none()
    }

    /// True if the socket has something to read.
    fn has_come(&self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        self.socket.peek(&mut byte).is_ok_and(|length| length > 0)
    }

    /// Waits for the next request.
    fn expect_request(&self, state: &mut State, event: Event) {
        state.phase.enter(event, Phase::Head);
        state.unparsed = !state.io.received.is_empty();
        state.io.deadline = deadline_after(Some(self.context.idle_timeout()));
    }
}

impl State {
    /// The request that was refused since this was asked last.
    pub fn take_refusal(&mut self) -> Option<Box<Refusal>> {
        self.refusal.take()
    }

    /// When the connection is to be looked at even if nothing happens.
    pub fn deadline(&self) -> Option<Instant> {
        let body = self.request.body_deadline;
        let body = body.filter(|_| self.phase == Phase::App);
        [self.io.deadline, body].into_iter().flatten().min()
    }

    /// True if no request has come yet, nor a part of one. (Empty lines are
    /// none, RFC 9112 section 2.2.)
    pub fn is_fresh(&self) -> bool {
        let waits = matches!(self.phase, Phase::Proxy | Phase::Head);
        let mut received = self.io.received.iter();
        waits && self.requests == 0 && received.all(|byte| b"\r\n".contains(byte))
    }

    /// True if nothing has come since the connection began, or since the last
    /// answer.
    fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Proxy | Phase::Head)
            && !self.begun
            && !self.unparsed
            && self.io.received.is_empty()
    }
}

/// Room for a [`BLOCK`] of this thread: a connection has room only for what came.
fn with_buffer<T>(act: impl FnOnce(&mut [u8]) -> T) -> T {
    thread_local! {
        static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; BLOCK].into());
    }
    BUFFER.with_borrow_mut(|buffer| act(buffer))
}

/// The client has taken some of its answer, or none.
fn has_sent(io: &mut Io, request: &mut CurrentRequest, rules: &Rules, sent: usize) {
    if sent > 0 {
        request.time_left = rules.send_timeout.unwrap_or(Duration::MAX);
        if io.deadline.is_some() {
            io.deadline = deadline_after(rules.send_timeout);
        }
    }
}
