//! One client's connection: from bytes to requests and back.
//!
//! It belongs to the reactor but for the time of a request, when the thread
//! that runs the app reads and writes through it. Nothing here waits, but for
//! the two `wait_` functions, which only an app's thread calls.

mod given;

use super::body::Body;
use super::exchange::Exchange;
use super::hub::{Hub, Id, Rules, Server, deadline};
use super::output::Output;
use super::refusal::Refusal;
use crate::http::{
    self, BodyError, Framing, Head, HeadParser, ProxyHeader, ProxyMode, ProxyStart, Status,
    proxy_start,
};
use crate::net::{ClientCertificate, Tls, TlsFacts, Transport};
use given::Given;
use nix::poll::PollFlags;
use socket2::Socket;
use std::cell::RefCell;
use std::fmt::Display;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::{IpAddr, Shutdown};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of output that a connection holds in memory before the app is to wait,
/// and below which it may go on.
pub const HIGH_WATER: usize = 256 * 1024;
const LOW_WATER: usize = 64 * 1024;

/// How long, and over how many bytes, a connection that is at its end listens
/// on: the client may still be sending, and a reset would take our answer from
/// it (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 64 * 1024;

/// How much is received at once.
pub const BLOCK: usize = 64 * 1024;

thread_local! {
    /// Where a [`BLOCK`] is received: a connection has room only for what came.
    static SCRAP: RefCell<Box<[u8]>> = RefCell::new(vec![0; BLOCK].into());
}

/// Who is at the other end.
#[derive(Debug)]
pub struct Client {
    /// Nothing over a unix socket.
    pub ip: Option<IpAddr>,
    /// Empty over a unix socket.
    pub address: String,
    pub port: Option<u16>,
    /// True if it is a proxy whose word about the request is taken.
    pub trusted: bool,
    /// True if it may send a PROXY header.
    pub may_proxy: bool,
    /// Where the listener is bound that it came by; nothing for a unix socket.
    pub server: Option<Arc<Server>>,
}

/// A connection and what is known of it.
pub struct Connection {
    pub id: Id,
    pub client: Client,
    pub hub: Arc<Hub>,
    /// What a PROXY header has told.
    pub proxy: OnceLock<ProxyHeader>,
    /// What the client has shown over TLS.
    pub certificate: OnceLock<ClientCertificate>,
    tls: OnceLock<Option<Box<TlsFacts>>>,
    socket: Socket,
    state: Mutex<State>,
}

pub struct State {
    transport: Transport,
    phase: Phase,
    /// True if the socket may have something to read: epoll tells each time
    /// only once.
    readable: bool,
    /// True once the client has ended its side, or all of it.
    hung_up: bool,
    /// True once epoll also tells about room for output.
    watched_for_room: bool,
    /// True once a part of the response was sent, other than interim ones.
    answered: bool,
    /// Nothing can or may be written any more.
    broken: bool,
    /// True while the app was told to hold back its output.
    held_back: bool,
    /// True once the app has taken the connection, which ends with that request.
    was_given: bool,
    /// Requests that were taken from here.
    requests: u32,
    /// True once a part of the next request has come.
    begun: bool,
    /// When the reactor ends the connection, unless something happens.
    deadline: Option<Instant>,
    /// When the reactor gives the client up, as an ASGI app waits for more of
    /// its body. (Other apps wait in `wait_for_body`, which keeps the time.)
    body_deadline: Option<Instant>,
    /// True once an app has waited too long for more of the body.
    body_is_late: bool,
    /// What the client may still take of its request's time.
    patience: Duration,
    /// Received and not used: the start of a head, or what came after the
    /// request that is being answered.
    received: Vec<u8>,
    /// What the request is called that the app has, if it has a name.
    id: Option<Arc<str>>,
    /// True if the parser has not seen what was received.
    unparsed: bool,
    parser: HeadParser,
    /// Whether there is more to the request than its head, and what of it.
    body: Option<Box<Body>>,
    output: Output,
    /// For the log: a request that was refused just now.
    refusal: Option<Box<Refusal>>,
}

/// What happens on a connection.
enum Phase {
    /// A PROXY header may come first.
    Proxy,
    /// The next request is awaited, or has come in part.
    Head,
    /// The body of a request is being received.
    Body(Box<Head>),
    /// The app has the request.
    Busy,
    /// The app has it for bytes that are not HTTP/1.1 any more.
    Raw,
    /// The app has taken the connection itself.
    Given(Box<Given>),
    /// The answer is whole, and a part of it waits for the socket.
    Flush {
        keep_alive: bool,
    },
    /// The answer was sent; this many bytes of the client are still ignored.
    Linger(usize),
    Closed,
}

/// What has become of a connection that was looked at.
pub enum Progress {
    /// It waits for its client.
    Waiting,
    /// It has a request.
    Request(Exchange),
    /// It is at its end.
    Closed,
}

/// What has become of a connection whose deadline has come.
pub enum Expired {
    /// It goes on.
    Not,
    /// The app, which still has it, is to learn that the client is given up.
    ForApp,
    /// It is to be looked at.
    Ended,
}

/// What the reactor is to be told of.
#[derive(Clone, Copy, Debug, Default)]
pub struct News {
    pub readable: bool,
    pub writable: bool,
    pub hung_up: bool,
}

impl Connection {
    pub fn new(id: Id, client: Client, hub: Arc<Hub>, socket: Socket) -> Connection {
        let first = deadline(Instant::now(), hub.rules.head_patience);
        let proxied = hub.rules.stranger.proxy != ProxyMode::Off;
        let mut connection = Connection {
            id,
            client,
            hub,
            proxy: OnceLock::new(),
            certificate: OnceLock::new(),
            tls: OnceLock::new(),
            socket,
            state: Mutex::new(State {
                transport: Transport::Plain,
                phase: match proxied {
                    true => Phase::Proxy,
                    false => Phase::Head,
                },
                readable: false,
                hung_up: false,
                watched_for_room: false,
                answered: false,
                broken: false,
                held_back: false,
                was_given: false,
                requests: 0,
                begun: false,
                unparsed: false,
                deadline: first,
                body_deadline: None,
                body_is_late: false,
                patience: Duration::ZERO,
                received: Vec::new(),
                id: None,
                parser: HeadParser::default(),
                body: None,
                output: Output::default(),
                refusal: None,
            }),
        };
        if !proxied {
            let state = connection.state.get_mut();
            let state = state.unwrap_or_else(PoisonError::into_inner);
            connection.hub.begin_tls(state);
        }
        connection
    }

    /// What was agreed upon, if TLS is spoken; to be asked once a request has
    /// come.
    pub fn tls(&self) -> Option<&TlsFacts> {
        let facts = || self.lock().transport.tls_facts().map(Box::new);
        self.tls.get_or_init(facts).as_deref()
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rules(&self) -> &Rules {
        &self.hub.rules
    }

    /// Goes on with a connection that another worker has handed over: one that
    /// is used waits for its next request.
    pub fn go_on(&self, state: &mut State) {
        state.requests = 1;
        self.expect_request(state);
    }

    /// Gives the connection to another worker if it is idle. Gives true if it
    /// is gone; then the client is the other's.
    pub fn hand_over(&self, state: &mut State) -> bool {
        let is_idle = state.is_idle() && self.can_move() && !state.hung_up;
        let Some(handover) = self.hub.handover().filter(|_| is_idle) else {
            return false;
        };
        let server = self.client.server.as_ref().map(|server| server.address);
        if handover
            .give(&self.socket, server, state.requests > 0)
            .is_err()
        {
            return false;
        }
        // The socket is open elsewhere, so that closing it here does not end
        // the watch.
        let _ = self.hub.epoll.delete(&self.socket);
        state.phase = Phase::Closed;
        true
    }

    /// Closes a connection on which nothing has come yet. Gives true if it is
    /// at its end.
    pub fn close_unused(&self) -> bool {
        let mut state = self.lock();
        // What the reactor has not looked at yet counts, too.
        let unused = state.is_fresh() && !has_come(&self.socket);
        if unused {
            state.phase = Phase::Closed;
        }
        unused
    }

    /// True if all that is known of the connection goes over with its socket.
    fn can_move(&self) -> bool {
        self.rules().tls.is_none() && self.proxy.get().is_none()
    }

    /// True if the connection may stay open after an answer.
    pub fn may_stay(&self) -> bool {
        !self.rules().keep_alive.is_zero() && self.hub.keeps_connections(self.can_move())
    }

    /// Goes as far as it can with what the client has sent and takes. The
    /// reactor calls it; `scrap` is room for a [`BLOCK`].
    pub fn advance(self: &Arc<Self>, state: &mut State, scrap: &mut [u8]) -> Progress {
        loop {
            let step = match &mut state.phase {
                Phase::Proxy => self.read_proxy(state, scrap),
                Phase::Head => self.read_head(state, scrap),
                Phase::Body(_) => self.read_body(state, scrap),
                Phase::Flush { keep_alive } => {
                    let keep_alive = *keep_alive;
                    self.flush(state, keep_alive)
                }
                Phase::Linger(_) => self.linger(state, scrap),
                Phase::Busy | Phase::Raw | Phase::Given(_) => Step::Wait,
                Phase::Closed => Step::Close,
            };
            match step {
                Step::Again => {}
                Step::Wait => return Progress::Waiting,
                Step::Request(exchange) => return Progress::Request(exchange),
                Step::Close => {
                    state.phase = Phase::Closed;
                    if state.was_given {
                        // The app may have copies of the socket.
                        let _ = self.socket.shutdown(Shutdown::Both);
                    }
                    return Progress::Closed;
                }
            }
        }
    }

    /// Reads what comes before the client's own first byte.
    fn read_proxy(&self, state: &mut State, scrap: &mut [u8]) -> Step {
        match state.receive(&self.socket, scrap) {
            Ok(Some(0)) | Err(_) => return Step::Close,
            Ok(Some(length)) => state.received.extend_from_slice(&scrap[..length]),
            Ok(None) => return Step::Wait,
        }
        let mode = self.rules().stranger.proxy;
        match proxy_start(&state.received, mode, self.client.may_proxy) {
            Ok(ProxyStart::NeedMore) => return Step::Again,
            Ok(ProxyStart::Absent) => {}
            Ok(ProxyStart::Header(header, length)) => {
                state.received.drain(..length);
                let _ = self.proxy.set(header);
            }
            Err(error) => return self.refuse_request(state, error.status(), &error),
        }
        state.phase = Phase::Head;
        self.hub.begin_tls(state);
        // What was read with the header is not told of again.
        state.readable = true;
        state.unparsed = !state.received.is_empty();
        Step::Again
    }

    fn read_head(self: &Arc<Self>, state: &mut State, scrap: &mut [u8]) -> Step {
        let policy = match self.client.trusted {
            true => &self.rules().trusted,
            false => &self.rules().stranger,
        };
        let mut head = Exchange::spare_head();
        let parsed = if state.unparsed {
            // It came with the request before.
            state.unparsed = false;
            state.parser.advance(&state.received, policy, &mut head)
        } else {
            let fresh = match state.receive(&self.socket, scrap) {
                Ok(Some(0)) | Err(_) => return Step::Close,
                Ok(Some(length)) => &scrap[..length],
                Ok(None) => return Step::Wait,
            };
            if state.received.is_empty() {
                let parsed = state.parser.advance(fresh, policy, &mut head);
                let used = parsed.as_ref().map_or(0, |length| length.unwrap_or(0));
                state.received.extend_from_slice(&fresh[used..]);
                parsed.map(|length| length.map(|_| 0))
            } else {
                state.received.extend_from_slice(fresh);
                state.parser.advance(&state.received, policy, &mut head)
            }
        };
        match parsed {
            Ok(Some(length)) => {
                state.received.drain(..length);
                self.begin(state, head)
            }
            Ok(None) => {
                if !state.is_fresh() && !std::mem::replace(&mut state.begun, true) {
                    state.deadline = deadline(Instant::now(), self.rules().head_patience);
                }
                Step::Again
            }
            Err(error) => self.refuse_request(state, error.status(), &error),
        }
    }

    /// Begins the request that has this head.
    fn begin(self: &Arc<Self>, state: &mut State, head: Head) -> Step {
        state.begun = false;
        state.requests = state.requests.saturating_add(1);
        state.answered = false;
        state.held_back = false;
        state.body_deadline = None;
        state.body_is_late = false;
        state.patience = self.rules().body_patience.unwrap_or(Duration::MAX);
        if state.requests == 1
            && let Some(certificate) = state.transport.client_certificate()
        {
            let _ = self.certificate.set(certificate);
        }
        if head.framing() == Framing::Length(0) {
            state.body = None;
            return self.give_to_app(state, head);
        }
        let body = Body::new(
            head.framing(),
            self.rules().limits(),
            head.expects_continue(),
        );
        state.body = Some(Box::new(body));
        state.deadline = deadline(Instant::now(), self.rules().body_patience);
        state.phase = Phase::Body(Box::new(head));
        Step::Again
    }

    fn give_to_app(self: &Arc<Self>, state: &mut State, head: Head) -> Step {
        let Some(admission) = self.hub.admit() else {
            let why = "There are too many requests";
            let refusal = Refusal::of_head(self, Box::new(head));
            ::log::debug!(
                "{why} for one from ip={}{}",
                self.client.address,
                refusal.note()
            );
            return self.answer_itself(state, refusal, Status::SERVICE_UNAVAILABLE, why);
        };
        state.phase = Phase::Busy;
        state.deadline = None;
        let exchange = Exchange::new(Arc::clone(self), head, admission);
        state.id.clone_from(&exchange.id);
        Step::Request(exchange)
    }

    fn read_body(self: &Arc<Self>, state: &mut State, scrap: &mut [u8]) -> Step {
        if let Err(error) = state.feed_received() {
            return self.refuse_body(state, &error);
        }
        let rules = self.rules();
        let body = state.body.as_mut().expect("there is one in this phase");
        if body.held() > rules.body_in_memory && !body.is_spooled() {
            body.spool(rules.upload_dir.as_deref());
        }
        // Where there is no room for it, the app is called sooner.
        let enough = body.has_ended() || body.held() >= rules.body_before_app || body.has_no_room();
        if enough {
            let Phase::Body(head) = std::mem::replace(&mut state.phase, Phase::Busy) else {
                unreachable!("the phase was looked at by the caller");
            };
            return self.give_to_app(state, *head);
        }
        if self.ask_for_body(state).is_err() {
            return Step::Close;
        }
        match state.receive(&self.socket, scrap) {
            Ok(Some(0)) => self.refuse_body(state, &http::Error::UnexpectedEnd.into()),
            Ok(Some(length)) => {
                state.received.extend_from_slice(&scrap[..length]);
                state.earn_time(rules, length);
                Step::Again
            }
            Ok(None) => Step::Wait,
            Err(_) => Step::Close,
        }
    }

    /// Asks the client for the body, if it waits to be asked and has not begun.
    fn ask_for_body(&self, state: &mut State) -> io::Result<()> {
        let Some(body) = &mut state.body else {
            return Ok(());
        };
        let waits = std::mem::replace(&mut body.waits_to_be_asked, false);
        if waits && body.held() == 0 && !state.answered {
            self.send(state, &mut [IoSlice::new(b"HTTP/1.1 100 Continue\r\n\r\n")])?;
        }
        Ok(())
    }

    fn refuse_body(&self, state: &mut State, error: &BodyError) -> Step {
        self.refuse_request(state, error.status(), error)
    }

    /// Answers a request that never reaches the app.
    fn refuse_request(&self, state: &mut State, status: Status, error: &dyn Display) -> Step {
        let refusal = match std::mem::replace(&mut state.phase, Phase::Closed) {
            Phase::Body(head) => Refusal::of_head(self, head),
            _ => Refusal::of_part(self, &state.received),
        };
        ::log::warn!(
            "Invalid request from ip={}{}: {error}",
            self.client.address,
            refusal.note()
        );
        self.answer_itself(state, refusal, status, &error.to_string())
    }

    /// Sends an answer of the server's own, the last one of the connection.
    fn answer_itself(
        &self,
        state: &mut State,
        mut refusal: Refusal,
        status: Status,
        message: &str,
    ) -> Step {
        state.phase = Phase::Flush { keep_alive: false };
        let page = refusal.answer(self.rules(), status, message, &[]);
        state.refusal = Some(Box::new(refusal));
        let parts = &mut [IoSlice::new(&page.bytes)];
        if self.send(state, parts).is_err() {
            return Step::Close;
        }
        // Whatever else has come is no request.
        state.readable = true;
        state.deadline = deadline(Instant::now(), self.rules().send_patience);
        Step::Again
    }

    fn flush(&self, state: &mut State, keep_alive: bool) -> Step {
        match state.output.flush(&mut state.transport, &self.socket) {
            Ok(sent) => state.has_sent(self.rules(), sent),
            Err(_) => return Step::Close,
        }
        if !state.output.is_empty() {
            return match self.watch_for_room(state) {
                Ok(()) => Step::Wait,
                Err(_) => Step::Close,
            };
        }
        if keep_alive {
            self.expect_request(state);
            return Step::Again;
        }
        if state.transport.shut_down(&self.socket).is_err() {
            return Step::Close;
        }
        if !state.readable && state.received.is_empty() {
            return Step::Close;
        }
        state.deadline = deadline(Instant::now(), Some(LINGER));
        state.phase = Phase::Linger(LINGER_BYTES);
        Step::Again
    }

    fn linger(&self, state: &mut State, scrap: &mut [u8]) -> Step {
        match state.receive(&self.socket, scrap) {
            Ok(Some(length @ 1..)) => match &mut state.phase {
                Phase::Linger(left) if *left > length => {
                    *left -= length;
                    Step::Again
                }
                _ => Step::Close,
            },
            Ok(None) => Step::Wait,
            Ok(Some(0)) | Err(_) => Step::Close,
        }
    }

    /// Sends the parts as far as the socket takes them, and keeps the rest.
    fn send(&self, state: &mut State, parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        let room = &self.rules().room;
        state
            .output
            .write(&mut state.transport, &self.socket, room, parts)
    }

    fn expect_request(&self, state: &mut State) {
        state.phase = Phase::Head;
        state.unparsed = !state.received.is_empty();
        state.deadline = deadline(Instant::now(), Some(self.hub.idle_patience()));
    }

    fn watch_for_room(&self, state: &mut State) -> io::Result<()> {
        if !std::mem::replace(&mut state.watched_for_room, true) {
            self.hub.watch_for_room(&self.socket, self.id)?;
        }
        Ok(())
    }

    /// Ends a connection that had its time: a client that has begun a request
    /// is told so; what the app has is cut off.
    pub fn expire(&self, state: &mut State) -> Expired {
        if state.deadline.is_none_or(|end| end > Instant::now()) {
            // Then it is the app that has waited, for a body. What it has not
            // looked at yet has come in time.
            state.body_deadline = None;
            if state.readable {
                return Expired::Not;
            }
            state.body_is_late = true;
            state.hung_up = true;
            return Expired::ForApp;
        }
        state.deadline = None;
        let late = match state.phase {
            Phase::Busy | Phase::Raw | Phase::Given(_) => {
                state.broken = true;
                return Expired::ForApp;
            }
            Phase::Head if state.begun => Some("head was not whole in time"),
            Phase::Body(_) => Some("body came too slowly"),
            _ => None,
        };
        state.phase = match late {
            Some(late) => {
                let why = format!("The request's {late}");
                let _ = self.refuse_request(state, Status::REQUEST_TIMEOUT, &why);
                return Expired::Ended;
            }
            None => Phase::Closed,
        };
        Expired::Ended
    }

    /// Gives an idle connection less time, since the worker stops. One that
    /// has not had a request yet gets `first` for it. A client that was told
    /// that the connection stays may be sending its next request now, and is
    /// not cut off (RFC 9112 section 9.6).
    pub fn retire(&self, state: &mut State, first: Duration) {
        if matches!(state.phase, Phase::Head) && !state.begun {
            let grace = match state.requests {
                0 => first,
                _ => self.hub.idle_patience(),
            };
            let grace = deadline(Instant::now(), Some(grace));
            state.deadline = state.deadline.min(grace).or(grace);
        }
    }

    /// Takes note of what epoll says, and sends what waits to be sent.
    pub fn hear(&self, state: &mut State, readable: bool, writable: bool, hung_up: bool) -> News {
        state.readable |= readable || hung_up;
        state.hung_up |= hung_up;
        let in_use = matches!(state.phase, Phase::Busy | Phase::Raw);
        let mut news = News {
            readable: in_use && readable,
            writable: false,
            hung_up: in_use && hung_up,
        };
        if in_use && writable && !state.broken && !state.output.is_empty() {
            match state.output.flush(&mut state.transport, &self.socket) {
                Ok(sent) => state.has_sent(self.rules(), sent),
                Err(_) => state.broken = true,
            }
            if state.output.is_empty() {
                state.deadline = None;
            }
            if state.held_back && (state.broken || state.output.held() <= LOW_WATER) {
                state.held_back = false;
                news.writable = true;
            }
        }
        news
    }
}

/// True if the socket has something to read.
fn has_come(socket: &Socket) -> bool {
    let mut byte = [MaybeUninit::uninit()];
    socket.peek(&mut byte).is_ok_and(|length| length > 0)
}

/// What follows from one step of [`Connection::advance`].
enum Step {
    Again,
    Wait,
    Request(Exchange),
    Close,
}

impl State {
    /// The request that was refused since this was asked last.
    pub fn take_refusal(&mut self) -> Option<Box<Refusal>> {
        self.refusal.take()
    }

    pub fn deadline(&self) -> Option<Instant> {
        let body_deadline = self
            .body_deadline
            .filter(|_| matches!(self.phase, Phase::Busy));
        [self.deadline, body_deadline].into_iter().flatten().min()
    }

    /// True if no request has come yet, nor a part of one. (Empty lines are
    /// none, RFC 9112 section 2.2.)
    pub fn is_fresh(&self) -> bool {
        let waits = matches!(self.phase, Phase::Proxy | Phase::Head);
        waits && self.requests == 0 && self.received.iter().all(|byte| b"\r\n".contains(byte))
    }

    /// True if nothing has come since the connection began, or since the last
    /// answer.
    pub fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Proxy | Phase::Head)
            && !self.begun
            && !self.unparsed
            && self.received.is_empty()
    }

    /// Reads what has come; nothing when nothing is there.
    fn receive(&mut self, socket: &Socket, into: &mut [u8]) -> io::Result<Option<usize>> {
        if !self.readable {
            return Ok(None);
        }
        match self.transport.read(socket, into) {
            Ok(length) => {
                let all = length < into.len() && self.transport.short_read_means_empty();
                // After the end of the client's side there is no more news.
                self.readable = !all || length == 0 || self.hung_up;
                Ok(Some(length))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Gives what was received to the body, as far as it belongs there.
    fn feed_received(&mut self) -> Result<(), BodyError> {
        if let Some(body) = &mut self.body
            && !self.received.is_empty()
            && !body.has_ended()
        {
            let mut input = &self.received[..];
            body.feed(&mut input)?;
            let used = self.received.len() - input.len();
            self.received.drain(..used);
        }
        Ok(())
    }

    /// The app does not wait for the body any more: the time that it has waited
    /// is taken off the client's.
    fn stop_clock(&mut self) {
        if let Some(end) = self.body_deadline.take() {
            self.patience = end.saturating_duration_since(Instant::now());
        }
    }

    /// Gives the client more time for what it has sent of a body.
    fn earn_time(&mut self, rules: &Rules, received: usize) {
        self.patience = rules.repay(self.patience, received);
        if let (Phase::Body(_), Some(end)) = (&self.phase, self.deadline) {
            let now = Instant::now();
            let left = rules.repay(end.saturating_duration_since(now), received);
            self.deadline = deadline(now, Some(left));
        }
    }

    /// The client has taken some of its answer, or none.
    fn has_sent(&mut self, rules: &Rules, sent: usize) {
        if sent > 0 {
            self.patience = rules.send_patience.unwrap_or(Duration::MAX);
            if self.deadline.is_some() {
                self.deadline = deadline(Instant::now(), rules.send_patience);
            }
        }
    }

    /// From now on the bytes of the connection are TLS.
    pub fn encrypt(&mut self, tls: &Tls) {
        match tls.accept(std::mem::take(&mut self.received)) {
            Ok(session) => self.transport = Transport::Tls(Box::new(session)),
            Err(error) => {
                ::log::error!("A TLS connection cannot be begun: {error}");
                self.phase = Phase::Closed;
            }
        }
    }
}

/// What the thread that runs the app does.
impl Connection {
    /// Appends bytes of the body that are there to `into` and gives their
    /// number: 0 once the body has ended, nothing when some are to be waited
    /// for.
    pub fn read(&self, into: &mut Vec<u8>) -> Result<Option<usize>, BodyError> {
        let mut state = self.lock();
        let state = &mut *state;
        let raw = matches!(state.phase, Phase::Raw);
        loop {
            if raw {
                if !state.received.is_empty() {
                    // It came with the request, and its room is not kept.
                    let received = std::mem::take(&mut state.received);
                    into.extend_from_slice(&received);
                    return Ok(Some(received.len()));
                }
            } else {
                state.feed_received()?;
                let Some(body) = &mut state.body else {
                    return Ok(Some(0));
                };
                let taken = body.take(into).map_err(|error| {
                    ::log::error!("A request's body cannot be read from its file: {error}");
                    BodyError::Lost
                })?;
                if taken > 0 || body.has_ended() {
                    return Ok(Some(taken));
                }
            }
            if state.broken {
                return Err(BodyError::Client(io::ErrorKind::TimedOut.into()));
            }
            if state.body_is_late {
                return Err(BodyError::TooSlow);
            }
            if matches!(state.phase, Phase::Given(_)) {
                // The rest of it is the app's to read.
                return Err(BodyError::Client(io::ErrorKind::NotConnected.into()));
            }
            self.ask_for_body(state)?;
            let received = SCRAP.with_borrow_mut(|scrap| {
                let received = state.receive(&self.socket, scrap)?;
                let bytes = &scrap[..received.unwrap_or(0)];
                match raw {
                    true => into.extend_from_slice(bytes),
                    false => state.received.extend_from_slice(bytes),
                }
                io::Result::Ok(received)
            });
            match received? {
                Some(0) if raw => return Ok(Some(0)),
                Some(0) => return Err(http::Error::UnexpectedEnd.into()),
                Some(length) => {
                    state.stop_clock();
                    state.earn_time(self.rules(), length);
                    if raw {
                        return Ok(Some(length));
                    }
                }
                None => return Ok(None),
            }
        }
    }

    /// Waits until there may be something to [`read`](Connection::read).
    ///
    /// # Errors
    /// `TooSlow` when the client was waited for long enough.
    pub fn wait_for_body(&self) -> Result<(), BodyError> {
        let ready = |state: &mut State| Ok(state.readable || state.broken);
        self.wait(PollFlags::POLLIN, ready)?;
        let mut state = self.lock();
        state.readable = true;
        match state.body_is_late {
            true => Err(BodyError::TooSlow),
            false => Ok(()),
        }
    }

    /// Gives the client what is left of its time to send more of the body, as
    /// the app waits for it; the reactor ends that.
    pub fn expect_body(&self) {
        let mut state = self.lock();
        if state.body_deadline.is_none() {
            state.body_deadline = deadline(Instant::now(), Some(state.patience));
        }
    }

    /// Sends all of the parts, in time: what the socket does not take is kept.
    /// Gives true if so much is kept that the app is to wait.
    pub fn write(&self, parts: &mut [IoSlice<'_>]) -> io::Result<bool> {
        self.put_out(|state| {
            state.answered = true;
            self.send(state, parts)
        })
    }

    /// Sends an interim response in the same way. The client is still to be
    /// asked for a body that it holds back, and to be answered (RFC 9110
    /// sections 10.1.1 and 15.2).
    pub fn inform(&self, interim: &[u8]) -> io::Result<bool> {
        self.put_out(|state| {
            let parts = &mut [IoSlice::new(interim)];
            self.send(state, parts)
        })
    }

    /// Sends `length` bytes of a file from `offset`, in time.
    pub fn send_file(&self, file: OwnedFd, offset: u64, length: u64) -> io::Result<bool> {
        self.put_out(|state| {
            state.answered = true;
            let output = &mut state.output;
            output.send_file(&mut state.transport, &self.socket, file, offset, length)
        })
    }

    fn put_out(&self, put: impl FnOnce(&mut State) -> io::Result<()>) -> io::Result<bool> {
        let mut state = self.lock();
        self.write_after_app(&mut state)?;
        let in_use = matches!(state.phase, Phase::Busy | Phase::Raw | Phase::Given(_));
        if state.broken || !in_use {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        put(&mut state).inspect_err(|_| state.broken = true)?;
        if !state.output.is_empty() {
            self.watch_for_room(&mut state)?;
            if state.deadline.is_none() {
                state.deadline = deadline(Instant::now(), self.rules().send_patience);
            }
            state.held_back = state.output.held() > HIGH_WATER;
        }
        Ok(state.held_back)
    }

    /// Waits until so much was sent that the app may go on.
    ///
    /// # Errors
    /// `TimedOut` when the client was waited for long enough, or what the
    /// socket says.
    pub fn wait_for_room(&self) -> io::Result<()> {
        self.lock().patience = self.rules().send_patience.unwrap_or(Duration::MAX);
        self.wait(PollFlags::POLLOUT, |state| {
            let sent = state.output.flush(&mut state.transport, &self.socket)?;
            state.has_sent(self.rules(), sent);
            Ok(state.output.held() <= LOW_WATER)
        })?;
        let mut state = self.lock();
        state.held_back = false;
        match state.broken {
            true => Err(io::ErrorKind::TimedOut.into()),
            false => Ok(()),
        }
    }

    fn wait(
        &self,
        ready: PollFlags,
        mut enough: impl FnMut(&mut State) -> io::Result<bool>,
    ) -> io::Result<()> {
        /// The longest wait without a sign of life to the master.
        const PULSE: Duration = Duration::from_secs(1);
        loop {
            let patience = {
                let mut state = self.lock();
                if state.broken || enough(&mut state)? {
                    return Ok(());
                }
                state.patience
            };
            if patience.is_zero() && ready == PollFlags::POLLIN {
                // What the app says to that can still be sent.
                self.lock().body_is_late = true;
                return Ok(());
            }
            if patience.is_zero() {
                self.lock().broken = true;
                return Err(io::ErrorKind::TimedOut.into());
            }
            let begin = Instant::now();
            self.hub
                .waiter
                .wait(&self.socket, ready, patience.min(PULSE))?;
            let mut state = self.lock();
            state.patience = state.patience.saturating_sub(begin.elapsed());
            if ready == PollFlags::POLLIN {
                return Ok(());
            }
        }
    }

    /// True while the app is asked to wait before it writes more.
    pub fn is_held_back(&self) -> bool {
        self.lock().held_back
    }

    /// True once the client has ended its side of the connection, or all of it.
    pub fn has_hung_up(&self) -> bool {
        self.lock().hung_up
    }

    /// Answers in the app's place if nothing was sent, and lets nothing more
    /// be written. Any thread may call it. Gives whether it has answered.
    pub fn refuse(&self, bytes: &[u8]) -> bool {
        let mut state = self.lock();
        let state = &mut *state;
        let mine = matches!(state.phase, Phase::Busy) && !state.answered && !state.broken;
        if mine {
            state.answered = true;
            let parts = &mut [IoSlice::new(bytes)];
            let _ = self.send(state, parts);
        }
        state.broken = true;
        mine
    }

    /// Tells a client that its request is not going to be answered, as the
    /// worker ends, and gives true if there was one. Any thread may call it;
    /// nobody looks at the connection any more.
    pub fn dismiss(&self) -> bool {
        let mut state = self.lock();
        let state = &mut *state;
        let waits = match &state.phase {
            Phase::Busy => !state.answered,
            Phase::Body(_) => true,
            // One may be there that nobody has looked at.
            Phase::Head => state.begun || state.unparsed || has_come(&self.socket),
            _ => false,
        };
        if !waits || state.broken {
            return false;
        }
        let flush = Phase::Flush { keep_alive: false };
        let mut refusal = match std::mem::replace(&mut state.phase, flush) {
            Phase::Busy => {
                state.phase = Phase::Busy;
                Refusal::of_queued(self, state.id.clone())
            }
            Phase::Body(head) => Refusal::of_head(self, head),
            _ => Refusal::of_part(self, &state.received),
        };
        let status = Status::SERVICE_UNAVAILABLE;
        let page = refusal.answer(self.rules(), status, "The server stops", &[]);
        let parts = &mut [IoSlice::new(&page.bytes)];
        let written = self.send(state, parts);
        refusal.log_at_last();
        state.broken = true;
        if !matches!(state.phase, Phase::Busy) {
            self.hub.give_back(self.id);
        }
        written.is_ok()
    }

    /// From now on the connection carries bytes of another protocol.
    pub fn upgrade(&self) {
        let mut state = self.lock();
        state.phase = Phase::Raw;
        state.body = None;
    }

    /// Ends the request; the connection waits for the next one, or is closed
    /// once all was sent.
    pub fn finish(&self, keep_alive: bool) {
        let mut state = self.lock();
        let state = &mut *state;
        if self.take_back(state).is_err() {
            state.broken = true;
        }
        let raw = matches!(state.phase, Phase::Raw) || state.was_given;
        let unread = raw || state.body.take().is_some_and(|body| !body.has_ended());
        // Then there may be more to come that is of no use.
        state.readable |= unread;
        let keep_alive = keep_alive && !unread && !state.broken;
        if state.output.is_empty() && keep_alive && !self.hub.is_stopping() {
            self.expect_request(state);
            if state.readable || state.unparsed {
                self.hub.give_back(self.id);
            }
            return;
        }
        state.phase = Phase::Flush { keep_alive };
        state.deadline = deadline(Instant::now(), self.rules().send_patience);
        self.hub.give_back(self.id);
    }

    /// Ends the request and the connection, at once.
    pub fn abort(&self) {
        let mut state = self.lock();
        state.broken = true;
        state.phase = Phase::Closed;
        self.hub.give_back(self.id);
    }
}
