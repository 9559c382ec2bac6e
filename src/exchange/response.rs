//! The app's response to one request, framed as HTTP.

use super::{Exchange, Finished, Frames, Stream};
use crate::http::{HttpDate, ResponseBody, ResponseHead, ResponseRules};
use std::cell::Cell;
use std::fs::File;
use std::io::{self, IoSlice};

/// Blocks of a body are copied behind the head if they have at most this many
/// bytes together.
const COPIED: usize = 16 * 1024;

thread_local! {
    /// A buffer for small responses.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The state of a response. Its head is sent with the first part of the body.
#[derive(Default)]
pub struct Response {
    rules: ResponseRules,
    date: HttpDate,
    /// The fields with the request's names, unless the app sets them itself.
    names: Vec<(String, String)>,
    head: Option<ResponseHead>,
    /// Set when the head is sent.
    body: Option<ResponseBody>,
}

impl Response {
    pub fn new(exchange: &Exchange) -> Response {
        let names = exchange.stream().rules().fields_of(&exchange.names);
        Response {
            rules: exchange.response_rules(),
            date: exchange.stream().date(),
            names: names
                .map(|(field, name)| (field.to_owned(), name.to_owned()))
                .collect(),
            head: None,
            body: None,
        }
    }

    /// Sets the head. It may be replaced until it is sent.
    pub fn set_head(&mut self, mut head: ResponseHead) {
        for (field, name) in &self.names {
            head.add_unless_given(field, name);
        }
        self.head = Some(head);
    }

    pub fn head(&self) -> Option<&ResponseHead> {
        self.head.as_ref()
    }

    /// Takes the head out, at the end of the request.
    pub fn take_head(&mut self) -> Option<ResponseHead> {
        self.head.take()
    }

    /// The properties of the request that decide how the response is framed.
    pub fn rules(&self) -> &ResponseRules {
        &self.rules
    }

    /// The connection closes after this response.
    pub fn close_connection(&mut self) {
        self.rules.keep_alive = false;
    }

    /// True once a part of the response may have been sent.
    pub fn has_begun(&self) -> bool {
        self.body.is_some()
    }

    /// The body, once the head was sent.
    pub fn body(&self) -> Option<&ResponseBody> {
        self.body.as_ref()
    }

    /// Sets the Content-Length of a body whose length is known before any of it
    /// is sent. Does nothing for HEAD, where apps may leave the body out.
    pub fn set_known_length(&mut self, length: u64) {
        if let (Some(head), None, false) = (&mut self.head, &self.body, self.rules.is_head) {
            head.set_known_length(length);
        }
    }

    /// Sends blocks of the body. The head is sent before the first block, the
    /// end of the body after the last one. True if the app should wait before
    /// it sends more.
    pub fn send(
        &mut self,
        stream: &dyn Stream,
        blocks: &[&[u8]],
        is_last: bool,
    ) -> io::Result<bool> {
        if let Some(frames) = stream.frames() {
            return self.send_in_frames(frames, stream, blocks, is_last);
        }
        // Small blocks are copied behind the head: to send one part costs less
        // than to send several, and the buffer is there already.
        let mut out = BUFFER.take();
        out.clear();
        let result = self.send_from(&mut out, stream, blocks, is_last);
        BUFFER.set(out);
        result
    }

    fn send_from(
        &mut self,
        out: &mut Vec<u8>,
        stream: &dyn Stream,
        blocks: &[&[u8]],
        is_last: bool,
    ) -> io::Result<bool> {
        let body = self.begin(stream, out);
        let small = blocks.iter().map(|block| block.len()).sum::<usize>() <= COPIED;
        if small {
            for block in blocks {
                let frame = body.frame(block.len());
                out.extend_from_slice(frame.prefix.as_bytes());
                out.extend_from_slice(&block[..frame.length]);
                out.extend_from_slice(frame.suffix);
            }
            if is_last {
                out.extend_from_slice(body.end());
            }
            let goes_on = !is_last && !body.is_complete() && !out.is_empty();
            let parts = &mut [IoSlice::new(out)];
            return match goes_on {
                true => stream.write_block(parts),
                false => write(stream, parts),
            };
        }
        let frames: Vec<_> = blocks.iter().map(|block| body.frame(block.len())).collect();
        let end = if is_last { body.end() } else { b"" };
        let mut parts = Vec::with_capacity(2 + 3 * frames.len());
        parts.push(IoSlice::new(out));
        for (frame, block) in frames.iter().zip(blocks) {
            parts.push(IoSlice::new(frame.prefix.as_bytes()));
            parts.push(IoSlice::new(&block[..frame.length]));
            parts.push(IoSlice::new(frame.suffix));
        }
        parts.push(IoSlice::new(end));
        parts.retain(|part| !part.is_empty());
        write(stream, &mut parts)
    }

    fn send_in_frames(
        &mut self,
        frames: &dyn Frames,
        stream: &dyn Stream,
        blocks: &[&[u8]],
        is_last: bool,
    ) -> io::Result<bool> {
        let body = self.begin_frames(frames, stream)?;
        let blocks = blocks.iter().map(|block| {
            let length = body.frame(block.len()).length;
            IoSlice::new(&block[..length])
        });
        let blocks: Vec<_> = blocks.collect();
        frames.send_data(&blocks, is_last && !body.is_short())
    }

    /// Sends `length` bytes of a file from `offset`, in the same way.
    pub fn send_file(
        &mut self,
        stream: &dyn Stream,
        file: File,
        offset: u64,
        length: u64,
        is_last: bool,
    ) -> io::Result<bool> {
        let bounded = usize::try_from(length).unwrap_or(usize::MAX);
        if let Some(frames) = stream.frames() {
            let body = self.begin_frames(frames, stream)?;
            let length = body.frame(bounded).length as u64;
            return frames.send_file(file.into(), offset, length, is_last && !body.is_short());
        }
        let mut head = Vec::new();
        let body = self.begin(stream, &mut head);
        let frame = body.frame(bounded);
        let end = if is_last { body.end() } else { b"" };
        let prefix = frame.prefix.as_bytes();
        let mut wait = write(stream, &mut [IoSlice::new(&head), IoSlice::new(prefix)])?;
        if frame.length > 0 {
            wait |= stream.send_file(file.into(), offset, frame.length as u64)?;
        }
        let rest = &mut [IoSlice::new(frame.suffix), IoSlice::new(end)];
        Ok(write(stream, rest)? || wait)
    }

    /// Sends the end of the body, with trailers if the framing allows them (RFC
    /// 9112 section 7.1.2, RFC 9113 section 8.1).
    pub fn end_with_trailers(&mut self, stream: &dyn Stream, trailers: &[u8]) -> io::Result<bool> {
        let Some(body) = &self.body else {
            return Ok(false);
        };
        if let Some(frames) = stream.frames() {
            return match body.is_short() {
                true => Ok(false),
                false => frames.send_trailers(trailers),
            };
        }
        let (before, after) = body.around_trailers();
        match trailers.is_empty() || before.is_empty() {
            true => write(stream, &mut [IoSlice::new(body.end())]),
            false => {
                let parts = [before, trailers, after];
                write(stream, &mut parts.map(IoSlice::new))
            }
        }
    }

    /// Appends the head to `out`, unless it was sent.
    fn begin(&mut self, stream: &dyn Stream, out: &mut Vec<u8>) -> &mut ResponseBody {
        let (head, body) = (&mut self.head, &mut self.body);
        body.get_or_insert_with(|| {
            // The worker may have changed its mind since the request began.
            self.rules.keep_alive &= stream.may_stay();
            let head = head.as_mut().expect("the caller has set it");
            stream.count_response(head.code());
            let server = &stream.rules().server;
            head.begin(self.rules, server, self.date.as_str(), out)
        })
    }

    /// Sends the head, unless it was sent.
    fn begin_frames(
        &mut self,
        frames: &dyn Frames,
        stream: &dyn Stream,
    ) -> io::Result<&mut ResponseBody> {
        let body = match self.body.take() {
            Some(body) => body,
            None => {
                let head = self.head.as_ref().expect("the caller has set it");
                stream.count_response(head.code());
                frames.send_head(head, self.date)?;
                head.begin_frames(self.rules.is_head)
            }
        };
        Ok(self.body.insert(body))
    }

    /// The response at its end. `whole` is false if the response is incomplete.
    pub fn finished(&self, whole: bool) -> Finished<'_> {
        let body = self.body.as_ref();
        let head = body.and(self.head.as_ref());
        Finished {
            status: head.map_or(0, |head| head.code()),
            body_bytes: body.map_or(0, |body| body.sent()),
            keep_alive: whole && body.is_some_and(|body| body.keeps_alive()),
            broken: !whole,
            head,
            environ: None,
        }
    }
}

fn write(stream: &dyn Stream, parts: &mut [IoSlice<'_>]) -> io::Result<bool> {
    match parts.iter().all(|part| part.is_empty()) {
        true => Ok(false),
        false => stream.write(parts),
    }
}
