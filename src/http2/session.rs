//! The server's side of one HTTP/2 connection.

use super::carrier::Carrier;
use super::memory::{MOST_OUTPUT, Pipe};
use crate::http::{Error, Head, Policy, PseudoFields};
use bytes::Bytes;
use h2::Reason;
use h2::ext::Protocol;
use h2::server::{Builder, Connection, Handshake};
use http::request::Parts;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// The size of all windows of a connection together is at most this (RFC 9113
/// section 6.9.1).
const LARGEST_WINDOW: u32 = (1 << 31) - 1;

/// What a session tells its client, and its limits.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// The most streams at a time (`http2_max_concurrent_streams`).
    pub max_streams: u32,
    /// Bytes that the client may send on a stream before the app has read them
    /// (`http2_initial_window_size`).
    pub window: u32,
    /// Bytes of the longest frame (`http2_max_frame_size`).
    pub frame_size: u32,
    /// Bytes of the fields of a request (`http2_max_header_list_size`); 0 for no
    /// limit.
    pub field_bytes: u32,
    /// True if a stream may become a WebSocket (RFC 8441).
    pub websockets: bool,
    /// How many streams may be reset before the server has looked at them; 0 for
    /// no limit (`http2_max_resets`).
    pub max_resets: u32,
}

/// A request that has come.
#[derive(Debug)]
pub struct Request {
    pub head: Parts,
    pub carrier: Carrier,
    /// True if no body follows.
    pub ends: bool,
}

impl Request {
    /// Fills `head` with the pseudo-fields and the fields.
    ///
    /// # Errors
    /// Why the request is to be refused.
    pub fn read_head(&self, head: &mut Head, policy: &Policy) -> Result<(), Error> {
        let uri = &self.head.uri;
        let (path, authority) = (uri.path_and_query(), uri.authority());
        // RFC 8441 section 4.
        let protocol = self.head.extensions.get::<Protocol>();
        let pseudo = PseudoFields {
            method: self.head.method.as_str().as_bytes(),
            scheme: uri.scheme_str().map(str::as_bytes),
            authority: authority.map(|it| it.as_str().as_bytes()),
            path: path.map(|it| it.as_str().as_bytes()),
            protocol: protocol.map(|it| it.as_str().as_bytes()),
        };
        let fields = self.head.headers.iter();
        let fields = fields.map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
        head.read_fields(&pseudo, fields, self.ends, policy)
    }
}

/// The result of one step of a session.
#[allow(clippy::large_enum_variant, reason = "a box would cost each request")]
#[derive(Debug)]
pub enum Advance {
    Request(Request),
    /// The session waits for its client, or for its output to be sent.
    Waiting,
    /// The session has ended, in order or with this error. What is in the output
    /// is still to be sent.
    Ended(Result<(), String>),
}

enum State {
    Preface(Box<Handshake<Pipe, Bytes>>),
    Open(Box<Connection<Pipe, Bytes>>),
    Ended,
}

/// The server's side of one connection.
pub struct Session {
    pipe: Pipe,
    state: State,
    /// True once the client was told that the connection ends.
    going_away: bool,
}

impl Session {
    pub fn new(options: &SessionOptions) -> Session {
        let pipe = Pipe::default();
        let all_windows = options.max_streams.saturating_mul(options.window);
        let mut builder = Builder::new();
        builder
            .max_concurrent_streams(options.max_streams)
            .initial_window_size(options.window)
            // A stream that the app does not read must not hold up the others.
            .initial_connection_window_size(all_windows.clamp(65_535, LARGEST_WINDOW))
            .max_frame_size(options.frame_size)
            .max_header_list_size(limit(options.field_bytes))
            .max_pending_accept_reset_streams(limit(options.max_resets) as usize);
        if options.websockets {
            builder.enable_connect_protocol();
        }
        Session {
            state: State::Preface(Box::new(builder.handshake(pipe.clone()))),
            pipe,
            going_away: false,
        }
    }

    /// Takes bytes of the client.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.pipe.lock().receive(bytes);
    }

    /// No more bytes come.
    pub fn end_input(&mut self) {
        self.pipe.lock().ended = true;
    }

    /// True while the session has bytes of the client that it has not read, as its
    /// output is full.
    pub fn is_held_back(&self) -> bool {
        self.pipe.lock().unread() > 0
    }

    /// True while the session takes more output.
    pub fn has_room(&self) -> bool {
        self.pipe.lock().output.len() < MOST_OUTPUT
    }

    /// Reads what has come, and puts out what can be sent.
    pub fn advance(&mut self) -> Advance {
        let context = &mut Context::from_waker(Waker::noop());
        loop {
            let ended = match &mut self.state {
                State::Preface(handshake) => match Pin::new(&mut **handshake).poll(context) {
                    Poll::Pending => return Advance::Waiting,
                    Poll::Ready(Ok(connection)) => {
                        self.state = State::Open(Box::new(connection));
                        if self.going_away {
                            self.go_away();
                        }
                        continue;
                    }
                    Poll::Ready(Err(error)) => Err(error.to_string()),
                },
                State::Open(connection) => match connection.poll_accept(context) {
                    Poll::Pending => return Advance::Waiting,
                    Poll::Ready(Some(Ok((request, respond)))) => {
                        let (head, body) = request.into_parts();
                        let ends = body.is_end_stream();
                        return Advance::Request(Request {
                            head,
                            carrier: Carrier::new(body, respond),
                            ends,
                        });
                    }
                    Poll::Ready(None) => Ok(()),
                    Poll::Ready(Some(Err(error))) => Err(error.to_string()),
                },
                State::Ended => Ok(()),
            };
            self.state = State::Ended;
            return Advance::Ended(ended);
        }
    }

    /// Gives the session an empty buffer for its output, unless it has one.
    pub fn lend_output(&mut self, buffer: Vec<u8>) {
        let output = &mut self.pipe.lock().output;
        if output.capacity() == 0 {
            *output = buffer;
        }
    }

    /// The output so far, which the caller sends.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.pipe.lock().output)
    }

    /// Tells the client to begin no more streams. The session ends after the
    /// last one (RFC 9113 section 6.8).
    pub fn go_away(&mut self) {
        self.going_away = true;
        if let State::Open(connection) = &mut self.state {
            connection.graceful_shutdown();
        }
    }

    /// True once the client was told that the connection ends.
    pub fn is_going_away(&self) -> bool {
        self.going_away
    }

    /// Ends the connection and all its streams. The next
    /// [`advance`](Session::advance) puts the reason into the output.
    pub fn abort(&mut self, reason: Reason) {
        self.going_away = true;
        match &mut self.state {
            State::Open(connection) => connection.abrupt_shutdown(reason),
            // The client does not know yet that this is HTTP/2.
            State::Preface(_) | State::Ended => self.state = State::Ended,
        }
    }

    /// Frees memory that is not needed at present.
    pub fn shrink(&mut self) {
        self.pipe.lock().shrink();
    }
}

fn limit(number: u32) -> u32 {
    match number {
        0 => u32::MAX,
        number => number,
    }
}
