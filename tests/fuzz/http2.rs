//! HTTP/2: whatever a client sends, the session answers with well-formed frames and holds
//! little; a request that is accepted means the same in HTTP/1.1; and what scans the frames
//! does not depend on how the bytes are cut.

use std::time::Instant;

use bytes::Bytes;

use crate::head;
use crate::http::{Head, HeadParser, Limits, Policy, ResponseHead};
use crate::http2::{
    Advance, Carrier, FloodLimits, PREFACE, Received, Request, Scanner, Sent, SentScanner, Session,
    SessionOptions, Upgrade, frame_head,
};
use crate::pieces::Choices;

pub fn check(input: &[u8]) {
    let Some((choices, bytes)) = Choices::split(input) else {
        return;
    };
    // Most inputs are about what comes behind the preface.
    let bytes = match choices.has(0) {
        true => [PREFACE, b"\0\0\0\x04\0\0\0\0\0", bytes].concat(),
        false => bytes.to_vec(),
    };
    let pieces = choices.pieces(&bytes);
    scans_alike(&bytes, &pieces);
    upgrades_alike(&bytes, &pieces);
    let mut server = Server::new(choices);
    for piece in &pieces {
        server.receive(piece);
        if server.has_ended {
            break;
        }
    }
    server.end_input();
    let output = std::mem::take(&mut server.sent);
    drop(server);
    well_formed(&output);
    sends_alike(&output, &choices.pieces(&output));
}

const MOST_STREAMS: usize = 10;

/// The most output that a session may have at a time: what it takes, and one more frame with
/// its answers.
const MOST_OUTPUT: usize = 128 << 10;

/// How often a session is advanced for one piece before it must be waiting.
const MOST_STEPS: usize = 10_000;

const LIMITS: FloodLimits = FloodLimits {
    resets: 5,
    control_frames: 20,
    field_bytes: 1000,
};

/// What a worker does with a session.
struct Server {
    session: Session,
    scanner: Scanner,
    now: Instant,
    choices: Choices,
    /// The streams without a whole answer, and how much of it is to be sent.
    streams: Vec<(Carrier, usize)>,
    sent: Vec<u8>,
    has_ended: bool,
}

impl Server {
    fn new(choices: Choices) -> Server {
        let options = SessionOptions {
            max_streams: MOST_STREAMS as u32,
            window: 1000,
            frame_size: 16_384,
            field_bytes: LIMITS.field_bytes,
            websockets: choices.has(1),
            max_resets: LIMITS.resets,
        };
        let now = Instant::now();
        Server {
            session: Session::new(&options),
            scanner: Scanner::new(LIMITS, now),
            now,
            choices,
            streams: Vec::new(),
            sent: Vec::new(),
            has_ended: false,
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        match self.scanner.received(bytes, self.now) {
            Ok(()) => self.session.receive(bytes),
            Err(abuse) => self.session.abort(abuse.reason()),
        }
        self.advance();
    }

    fn end_input(&mut self) {
        self.session.end_input();
        self.advance();
    }

    fn advance(&mut self) {
        for step in 0.. {
            assert!(step < MOST_STEPS, "a session comes to rest");
            self.session.lend_output(Vec::with_capacity(1024));
            let is_waiting = match self.session.advance() {
                Advance::Request(request) => {
                    self.begin(request);
                    false
                }
                Advance::Waiting => true,
                Advance::Ended(_) => {
                    self.has_ended = true;
                    true
                }
            };
            let output = self.session.take_output();
            assert!(output.len() <= MOST_OUTPUT, "{} bytes", output.len());
            self.sent.extend_from_slice(&output);
            let has_news = self.serve();
            if is_waiting && output.is_empty() && (!has_news || self.has_ended) {
                break;
            }
        }
        assert!(self.has_ended || !self.session.is_held_back());
        assert!(self.streams.len() <= MOST_STREAMS);
    }

    fn begin(&mut self, request: Request) {
        means_the_same(&request);
        let length = if self.choices.has(2) { 3000 } else { 0 };
        let mut carrier = request.carrier;
        if self.choices.has(3) {
            // An app that answers at once.
            let head = ResponseHead::new(b"200 OK").expect("it is valid");
            let head = frame_head(&head, "server", "");
            let _ = carrier.send_head(head, length == 0);
        }
        self.streams.push((carrier, length));
    }

    /// Reads bodies and sends answers. True if something was done.
    fn serve(&mut self) -> bool {
        let (answers, reads) = (self.choices.has(3), self.choices.has(4));
        let mut has_news = false;
        self.streams.retain_mut(|(carrier, left)| {
            if carrier.is_reset() {
                return false;
            }
            if reads {
                loop {
                    match carrier.receive() {
                        Received::Data(data) => carrier.release(data.len()),
                        Received::Reset => return false,
                        Received::End | Received::Nothing => break,
                    }
                    has_news = true;
                }
            }
            if !answers {
                return true;
            }
            let room = carrier.room(*left);
            if room > 0 {
                *left -= room;
                has_news = true;
                let sent = carrier.send_data(Bytes::from(vec![b'x'; room]), *left == 0);
                return sent.is_ok() && *left > 0;
            }
            *left > 0
        });
        has_news
    }
}

/// Reads the head of a request. If it is accepted, and written as HTTP/1.1 would write it, it
/// is accepted with the same meaning.
fn means_the_same(request: &Request) {
    let mut head = Head::default();
    let policy = Policy::default();
    let read = request.read_head(&mut head, &policy);
    if read.is_err() || head.protocol().is_some() {
        return;
    }
    let policy = Policy {
        limits: Limits::new(0, 0, 1 << 20, 0),
        ..policy
    };
    let ours = head::Meaning::of(&head).in_http1();
    let text = ours.text();
    let mut again = Head::default();
    let parsed = HeadParser::default().advance(&text, &policy, &mut again);
    let text = text.escape_ascii();
    assert!(matches!(parsed, Ok(Some(_))), "{parsed:?}: {text}");
    assert_eq!(head::Meaning::of(&again).in_http1(), ours, "{text}");
}

/// Checks the frames of a server.
fn well_formed(output: &[u8]) {
    let mut rest = output;
    let mut is_first = true;
    let mut block = None;
    while let Some((&[a, b, c, kind, flags, d, e, f, g], after)) = rest.split_first_chunk() {
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let stream = u32::from_be_bytes([d, e, f, g]);
        assert!(length <= 16_384 && stream < 1 << 31, "{kind} {length}");
        assert!(after.len() >= length, "the last frame is whole");
        rest = &after[length..];
        // Only GOAWAY may come before SETTINGS, for a client that does not speak HTTP/2.
        assert!(!is_first || kind == 4 || kind == 7, "{kind} is first");
        is_first = false;
        assert_eq!(block.is_some(), kind == 9, "a block of fields is in pieces");
        match kind {
            // DATA, HEADERS and CONTINUATION belong to streams of the client.
            0 | 1 | 9 => assert!(stream % 2 == 1),
            3 => assert!(stream != 0 && length == 4),
            4 => assert!(stream == 0 && length.is_multiple_of(6)),
            6 => assert!(stream == 0 && length == 8),
            7 => assert!(stream == 0 && length >= 8),
            8 => assert!(length == 4 && after[..4] != [0; 4]),
            _ => panic!("a server does not send {kind}"),
        }
        if kind == 1 || kind == 9 {
            assert!(block.is_none_or(|begun| begun == stream));
            let has_ended = flags & 4 != 0;
            block = (!has_ended).then_some(stream);
        }
    }
    assert!(rest.is_empty() && block.is_none());
}

/// The scanner of the client's frames sees the same in one piece and in many.
fn scans_alike(bytes: &[u8], pieces: &[&[u8]]) {
    let now = Instant::now();
    let scan = |pieces: &[&[u8]]| {
        let mut scanner = Scanner::new(LIMITS, now);
        let result = pieces
            .iter()
            .try_for_each(|piece| scanner.received(piece, now));
        let updates = scanner.take_priority_updates();
        assert!(updates.len() <= 16, "{} updates", updates.len());
        (result, updates, scanner.is_within_head())
    };
    let (whole, cut) = (scan(&[bytes]), scan(pieces));
    assert_eq!(whole.0, cut.0);
    if whole.0.is_ok() {
        assert_eq!(whole, cut);
    }
}

/// So does that of the server's frames.
fn sends_alike(bytes: &[u8], pieces: &[&[u8]]) {
    let scan = |pieces: &[&[u8]]| {
        let (mut scanner, mut seen) = (SentScanner::default(), Vec::<Sent>::new());
        for piece in pieces {
            scanner.scan(piece, |sent| seen.push(sent));
        }
        seen
    };
    assert_eq!(scan(&[bytes]), scan(pieces));
}

/// A change from HTTP/1.1 gives the same bytes in one piece and in many, and a session takes
/// them.
fn upgrades_alike(bytes: &[u8], pieces: &[&[u8]]) {
    const REQUEST: &[u8] =
        b"GET /a?b HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\n\
        Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nX-Field: value\r\n\r\n";
    let mut head = Head::default();
    let parsed = HeadParser::default().advance(REQUEST, &Policy::default(), &mut head);
    assert!(matches!(parsed, Ok(Some(_))));
    let change = |pieces: &[&[u8]]| {
        let mut upgrade = Upgrade::new(b"AAMAAABkAAQAAP__", &head).ok()?;
        let mut first = Vec::new();
        for piece in pieces {
            first.extend(upgrade.push(piece).ok()?.unwrap_or_default());
        }
        Some(first)
    };
    let whole = change(&[bytes]);
    assert_eq!(whole, change(pieces));
    if let Some(first) = whole
        && !first.is_empty()
    {
        assert!(first.starts_with(PREFACE));
        let mut server = Server::new(Choices::NONE);
        server.receive(&first);
        server.end_input();
    }
}
