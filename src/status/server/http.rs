//! One client of the HTTP listener: from bytes to requests, and back.

use std::io::{self, IoSlice};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use socket2::Socket;

use crate::http::{
    self, Framing, Head, HeadParser, HttpDate, Policy, ResponseBody, ResponseHead, ResponseRules,
};
use crate::net::{Tls, Transport};

/// How long a client may take for a request's head, from its first byte or from
/// the start of the connection.
const HEAD_TIME: Duration = Duration::from_secs(5);

/// How long a connection stays open for the next request. Prometheus asks every
/// minute or more often.
const IDLE_TIME: Duration = Duration::from_secs(65);

/// How long a client may take none of its response.
const SEND_TIME: Duration = Duration::from_secs(10);

/// How long the server reads on after its last response, so that the client gets
/// all of it (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(1);

/// How many bytes of further requests are kept while one is answered.
const MOST_RECEIVED: usize = 64 * 1024;

/// How many blocks of 8 KiB are read from a client at once.
const MOST_BLOCKS: u32 = 8;

/// A client that reads no events for so many bytes misses some.
const MOST_UNSENT: usize = 1 << 20;

/// A client.
#[derive(Debug)]
pub struct HttpClient {
    socket: Socket,
    transport: Transport,
    parser: HeadParser,
    received: Vec<u8>,
    output: Vec<u8>,
    phase: Phase,
    /// How the response to the present request is made.
    rules: ResponseRules,
    deadline: Instant,
    /// How many more bytes are ignored that come after the last response.
    ignores: usize,
    pub watches_writable: bool,
    /// True if there may be more to read than was read at once.
    pub has_more: bool,
}

#[derive(Debug)]
enum Phase {
    /// The next request is awaited, or has begun.
    Head,
    /// The answer to a request is awaited from a worker.
    Waiting,
    /// Events are sent until the client goes.
    Events(ResponseBody),
    /// The response is sent, and the next request read after that.
    Sending,
    /// The response is sent, and the connection closed after that.
    Closing,
    /// What the client still sends is ignored.
    Lingering,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub content_type: &'static str,
    pub body: Vec<u8>,
    /// Further fields.
    pub fields: Vec<(&'static str, String)>,
}

/// What a client has done.
#[derive(Debug)]
pub enum Progress {
    /// It waits, or is waited for.
    Waiting,
    /// It has sent a request, which must be answered.
    Request(Box<Head>),
    Closed,
}

impl Answer {
    pub fn new(status: u16, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            content_type,
            body: body.into(),
            fields: Vec::new(),
        }
    }

    /// A sentence.
    pub fn text(status: u16, text: &str) -> Self {
        Self::new(status, "text/plain; charset=utf-8", format!("{text}\n"))
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }
}

impl HttpClient {
    /// # Errors
    /// The socket or the session cannot be used.
    pub fn new(socket: Socket, tls: Option<&Tls>) -> io::Result<Self> {
        let transport = match tls {
            Some(tls) => Transport::Tls(Box::new(tls.accept(Vec::new(), http::NOT_TLS)?)),
            None => Transport::Plain,
        };
        Ok(Self {
            socket,
            transport,
            parser: HeadParser::default(),
            received: Vec::new(),
            output: Vec::new(),
            phase: Phase::Head,
            rules: ResponseRules::default(),
            deadline: Instant::now() + HEAD_TIME,
            ignores: MOST_RECEIVED,
            watches_writable: false,
            has_more: false,
        })
    }

    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// When it is closed unless something happens.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// True while it has asked for nothing.
    pub fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Head | Phase::Lingering)
    }

    pub fn gets_events(&self) -> bool {
        matches!(self.phase, Phase::Events(_))
    }

    /// True while bytes wait for the socket.
    pub fn has_unsent(&self) -> bool {
        !self.output.is_empty() || self.transport.has_unsent()
    }

    /// Reads and sends what can be read and sent.
    pub fn advance(&mut self) -> Progress {
        if self.has_unsent() && self.flush().is_err() {
            return Progress::Closed;
        }
        if !self.has_unsent() {
            match self.phase {
                Phase::Sending => {
                    self.phase = Phase::Head;
                    self.deadline = Instant::now() + IDLE_TIME;
                    // A part of the next request may be here.
                    if !self.received.is_empty() {
                        return self.parse();
                    }
                }
                Phase::Closing => self.shut_down(),
                _ => {}
            }
        }
        let mut buffer = [0; 8192];
        // The others wait meanwhile.
        self.has_more = false;
        for _ in 0..MOST_BLOCKS {
            match self.transport.read(&self.socket, &mut buffer) {
                Ok(0) => return Progress::Closed,
                Ok(length) if matches!(self.phase, Phase::Head) => {
                    if self.received.is_empty() {
                        self.deadline = self.deadline.min(Instant::now() + HEAD_TIME);
                    }
                    self.received.extend_from_slice(&buffer[..length]);
                    match self.parse() {
                        Progress::Waiting => {}
                        progress => return progress,
                    }
                }
                // It has sent the next request before it has the response.
                Ok(length) if matches!(self.phase, Phase::Waiting | Phase::Sending) => {
                    self.received.extend_from_slice(&buffer[..length]);
                    if self.received.len() > MOST_RECEIVED {
                        return Progress::Closed;
                    }
                }
                // What comes after the last response is ignored, within limits.
                Ok(length) if length <= self.ignores => self.ignores -= length,
                Ok(_) => return Progress::Closed,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Progress::Waiting;
                }
                Err(_) => return Progress::Closed,
            }
        }
        self.has_more = true;
        Progress::Waiting
    }

    fn parse(&mut self) -> Progress {
        let mut head = Head::default();
        match self
            .parser
            .advance(&self.received, &Policy::default(), &mut head)
        {
            Ok(Some(length)) => {
                self.received.drain(..length);
                self.rules = ResponseRules::of(&head);
                // A body is never needed, and not read.
                self.rules.keep_alive &= head.framing() == Framing::Length(0);
                self.phase = Phase::Waiting;
                self.deadline = Instant::now() + SEND_TIME;
                Progress::Request(Box::new(head))
            }
            Ok(None) => Progress::Waiting,
            Err(error) => {
                self.received.clear();
                self.rules = ResponseRules::default();
                let answer = Answer::text(error.status().code, &error.to_string());
                self.answer(&answer);
                self.advance_after_answer()
            }
        }
    }

    fn advance_after_answer(&mut self) -> Progress {
        match self.flush() {
            Ok(()) => Progress::Waiting,
            Err(_) => Progress::Closed,
        }
    }

    /// The answer may take until then.
    pub fn wait_until(&mut self, deadline: Instant) {
        self.deadline = deadline + SEND_TIME;
    }

    /// Closes the connection after the answer to this request.
    pub fn close_after_this(&mut self) {
        self.rules.keep_alive = false;
    }

    /// Answers the request. To be advanced after that.
    pub fn answer(&mut self, answer: &Answer) {
        let mut head = self.head(answer);
        head.set_known_length(answer.body.len() as u64);
        let mut body = head.begin(self.rules, "", date().as_str(), &mut self.output);
        let length = body.frame(answer.body.len()).length;
        self.output.extend_from_slice(&answer.body[..length]);
        let stays_open = self.rules.keep_alive;
        self.phase = if stays_open {
            Phase::Sending
        } else {
            Phase::Closing
        };
        self.deadline = Instant::now() + SEND_TIME;
    }

    /// Begins a response of events, which lasts until the client goes.
    pub fn answer_with_events(&mut self) {
        let answer = Answer::new(200, "text/event-stream", "").with("Cache-Control", "no-store");
        let head = self.head(&answer);
        self.rules.keep_alive = false;
        let body = head.begin(self.rules, "", date().as_str(), &mut self.output);
        self.phase = match self.rules.is_head {
            true => Phase::Closing,
            false => Phase::Events(body),
        };
        self.deadline = Instant::now() + SEND_TIME;
    }

    /// Sends an event, unless the client has not read those before.
    pub fn send_event(&mut self, event: &[u8]) {
        let Phase::Events(body) = &mut self.phase else {
            return;
        };
        if self.output.len() < MOST_UNSENT {
            if self.output.is_empty() {
                self.deadline = Instant::now() + SEND_TIME;
            }
            let frame = body.frame(event.len());
            self.output.extend_from_slice(frame.prefix.as_bytes());
            self.output.extend_from_slice(&event[..frame.length]);
            self.output.extend_from_slice(frame.suffix);
        }
    }

    fn head(&self, answer: &Answer) -> ResponseHead {
        let mut head = ResponseHead::with_code(answer.status).expect("it is a final status");
        let content_type = [("Content-Type", answer.content_type)];
        let fields = answer.fields.iter().map(|(name, value)| (*name, &**value));
        for (name, value) in content_type.into_iter().chain(fields) {
            // The values are ours; one that cannot be sent is left out.
            let _ = head.add(name.as_bytes(), value.as_bytes());
        }
        head
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut sent = 0;
        while sent < self.output.len() {
            let rest = [IoSlice::new(&self.output[sent..])];
            match self.transport.write(&self.socket, &rest) {
                Ok(length) => sent += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.output.drain(..sent);
        if sent > 0 {
            self.deadline = Instant::now() + SEND_TIME;
        }
        match self.transport.flush(&self.socket) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }

    fn shut_down(&mut self) {
        let _ = self.transport.shut_down(&self.socket);
        self.phase = Phase::Lingering;
        self.deadline = Instant::now() + LINGER;
    }
}

fn date() -> HttpDate {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    HttpDate::new(since_1970.unwrap_or_default().as_secs().cast_signed())
}
