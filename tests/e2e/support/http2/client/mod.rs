//! The client's side of a connection.

mod expectations;
mod receiving;

use std::collections::{BTreeMap, VecDeque};

use super::frame::{self, Frame, MAX_FRAME_SIZE, code, flag, kind};
use super::hpack::{Decoder, encoder};
use super::response::Answer;
use super::transport::{Origin, Transport};
use super::windows::Windows;

/// What a client sends first (RFC 9113, section 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The size of the server's table of fields: what we announce, by saying nothing.
const HEADER_TABLE_SIZE: usize = 4096;

pub struct Http2 {
    transport: Transport,
    scheme: &'static str,
    received: Vec<u8>,
    decoder: Decoder,
    /// A block of fields that has begun: its stream, whether it ends it, and its bytes.
    block: Option<(u32, bool, Vec<u8>)>,
    answers: BTreeMap<u32, Answer>,
    next_stream: u32,
    /// The largest frame that the server may send.
    largest: usize,
    /// What the server may send, and what we may send.
    theirs: Windows,
    ours: Windows,
    /// The SETTINGS that we have sent and the server has not acknowledged.
    announced: VecDeque<Frame>,
    settings: BTreeMap<u16, u32>,
    has_settings: bool,
    pongs: Vec<Vec<u8>>,
    /// The last stream and the error code of the newest GOAWAY.
    goaway: Option<(u32, u32)>,
    is_closed: bool,
    /// Whether SETTINGS and PING are acknowledged, and windows given back.
    is_polite: bool,
    /// The newest frames, for messages.
    seen: VecDeque<String>,
}

impl Http2 {
    /// A connection on which both sides have acknowledged the settings.
    #[track_caller]
    pub fn open(origin: &Origin) -> Self {
        Self::open_with(origin, &[])
    }

    /// The same with settings of ours.
    #[track_caller]
    pub fn open_with(origin: &Origin, settings: &[(u16, u32)]) -> Self {
        let mut client = Self::silent(origin);
        client.write(PREFACE);
        client.settings(settings);
        client
    }

    /// A connection on which nothing was sent.
    #[track_caller]
    pub fn silent(origin: &Origin) -> Self {
        Self {
            transport: origin.connect(),
            scheme: origin.scheme(),
            received: Vec::new(),
            decoder: Decoder::new(HEADER_TABLE_SIZE),
            block: None,
            answers: BTreeMap::new(),
            next_stream: 1,
            largest: MAX_FRAME_SIZE,
            theirs: Windows::new(),
            ours: Windows::new(),
            announced: VecDeque::new(),
            settings: BTreeMap::new(),
            has_settings: false,
            pongs: Vec::new(),
            goaway: None,
            is_closed: false,
            is_polite: true,
            seen: VecDeque::new(),
        }
    }

    /// Acknowledges nothing and gives no window back from now on.
    pub fn be_rude(&mut self) {
        self.is_polite = false;
    }

    /// Sends bytes as they are. The client does not learn from them.
    #[track_caller]
    pub fn write(&mut self, bytes: &[u8]) {
        self.transport.write(bytes).expect("the server must read");
    }

    #[track_caller]
    pub fn send(&mut self, frame: Frame) {
        self.send_in_pieces(b"", vec![frame], usize::MAX);
    }

    /// Sends bytes as they are and then frames, in pieces of this size.
    #[track_caller]
    pub fn send_in_pieces(&mut self, before: &[u8], frames: Vec<Frame>, size: usize) {
        let mut bytes = before.to_vec();
        for frame in frames {
            bytes.extend(frame.bytes());
            self.note(frame);
        }
        for piece in bytes.chunks(size) {
            self.write(piece);
        }
    }

    /// Remembers what a frame of ours changes.
    fn note(&mut self, frame: Frame) {
        match frame.kind {
            kind::SETTINGS if !frame.has(flag::ACK) => self.announced.push_back(frame),
            kind::WINDOW_UPDATE if frame.payload.len() == 4 => {
                self.theirs.give(frame.stream, frame.number(0));
            }
            kind::DATA => self.ours.take(frame.stream, frame.payload.len()),
            kind::HEADERS => self.next_stream = self.next_stream.max(frame.stream + 2),
            _ => {}
        }
    }

    /// Takes a request back.
    #[track_caller]
    pub fn cancel(&mut self, stream: u32) {
        self.send(frame::reset(stream, code::CANCEL));
    }

    /// Sends SETTINGS, and waits until they are acknowledged and those of the server have
    /// come.
    #[track_caller]
    pub fn settings(&mut self, pairs: &[(u16, u32)]) {
        self.send(frame::settings(pairs));
        self.wait_until("the settings", |client| {
            client.announced.is_empty() && client.has_settings
        });
    }

    /// A setting of the server; `None` if it has its first value.
    pub fn setting(&self, id: u16) -> Option<u32> {
        self.settings.get(&id).copied()
    }

    /// A stream that was not used yet.
    pub fn new_stream(&mut self) -> u32 {
        self.next_stream += 2;
        self.next_stream - 2
    }

    /// The pseudo-fields of a request.
    pub fn head<'a>(&self, method: &'a str, path: &'a str) -> Vec<(&'a str, &'a str)> {
        vec![
            (":method", method),
            (":scheme", self.scheme),
            (":path", path),
            (":authority", "testserver"),
        ]
    }

    /// The block of fields of a request without further fields.
    pub fn block(&self, method: &str, path: &str) -> Vec<u8> {
        encoder::block(&self.head(method, path))
    }

    /// Sends a request without content; returns its stream.
    #[track_caller]
    pub fn get(&mut self, path: &str) -> u32 {
        let block = self.block("GET", path);
        self.begin(block, true)
    }

    /// Sends the fields of a request whose content is to follow.
    #[track_caller]
    pub fn post(&mut self, path: &str) -> u32 {
        let block = self.block("POST", path);
        self.begin(block, false)
    }

    /// Sends a request with these fields behind the pseudo-fields, and its content. Waits
    /// for windows. Returns its stream.
    #[track_caller]
    pub fn request(
        &mut self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> u32 {
        let all = [&self.head(method, path), fields].concat();
        let stream = self.begin(encoder::block(&all), body.is_empty());
        if !body.is_empty() {
            self.send_body(stream, body);
        }
        stream
    }

    /// Starts a new stream with this block of fields.
    #[track_caller]
    pub fn begin(&mut self, block: Vec<u8>, ends: bool) -> u32 {
        let stream = self.new_stream();
        let frame = frame::headers(stream, block);
        self.send(if ends { frame.ends() } else { frame });
        stream
    }

    /// Sends the whole content of a request, as the windows allow it.
    #[track_caller]
    pub fn send_body(&mut self, stream: u32, body: &[u8]) {
        let mut rest = body;
        while !rest.is_empty() {
            self.wait_until("a window", |client| client.ours.left(stream) > 0);
            let window = self.ours.left(stream) as usize;
            let (piece, after) = rest.split_at(rest.len().min(window).min(MAX_FRAME_SIZE));
            let frame = frame::data(stream, piece);
            self.send(if after.is_empty() {
                frame.ends()
            } else {
                frame
            });
            rest = after;
        }
    }

    /// How many bytes of DATA we may send on the stream.
    pub fn window(&mut self, stream: u32) -> i64 {
        self.ours.left(stream)
    }

    /// What has come on the stream.
    pub fn so_far(&self, stream: u32) -> Answer {
        self.answers.get(&stream).cloned().unwrap_or_default()
    }

    /// The whole response.
    #[track_caller]
    pub fn response(&mut self, stream: u32) -> Answer {
        self.wait_until(&format!("the response on stream {stream}"), |client| {
            let answer = client.so_far(stream);
            assert!(
                answer.has_ended || answer.reset.is_none(),
                "stream {stream} was reset: {:?}",
                client.seen
            );
            answer.has_ended
        });
        self.so_far(stream)
    }

    /// Waits until the server has sent the head of the response.
    #[track_caller]
    pub fn response_head(&mut self, stream: u32) -> Answer {
        self.wait_until(&format!("the head on stream {stream}"), |client| {
            client.so_far(stream).status != 0
        });
        self.so_far(stream)
    }

    /// Waits until this many bytes of the response's content have come.
    #[track_caller]
    pub fn body_of(&mut self, stream: u32, length: usize) {
        self.wait_until(&format!("{length} bytes on stream {stream}"), |client| {
            client.so_far(stream).body.len() >= length
        });
    }

    /// Sends a PING, and waits for its answer. All that was sent before has been read then.
    #[track_caller]
    pub fn ping(&mut self) {
        let content = (self.pongs.len() as u64).to_be_bytes();
        self.send(frame::ping(content));
        self.expect_pong(content);
    }

    #[track_caller]
    pub fn expect_pong(&mut self, content: [u8; 8]) {
        self.wait_until("the answer to a PING", |client| client.has_pong(content));
    }

    /// Whether a PING with this content was answered.
    pub fn has_pong(&self, content: [u8; 8]) -> bool {
        self.pongs.iter().any(|pong| *pong == content)
    }
}
