//! A response as the app gives it, message by message, and as bytes.

use super::{Channel, Finished};
use crate::http::{ErrorPage, ResponseBody, ResponseHead, Status};
use crate::log::dropped_body;
use std::fs::File;
use std::io::{self, IoSlice};

/// How far a response has come.
pub enum Answer {
    /// The app has said nothing.
    Nothing,
    /// The head was given, and goes out with the first part of the body.
    Head(ResponseHead, Trailers),
    Body(Sent, Trailers),
    /// The body is complete, and trailers may follow.
    Trailers(Sent, Vec<u8>),
    Done,
}

/// What went out.
pub struct Sent {
    head: ResponseHead,
    body: ResponseBody,
}

/// Whether the app promised trailers (`http.response.trailers`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Trailers {
    No,
    Promised,
}

/// A part of the body.
pub enum Part<'a> {
    Bytes(&'a [u8]),
    /// A file from its start, and its length.
    File(File, u64),
}

impl Answer {
    /// Sends a part of the body, and the head before the first.
    ///
    /// # Errors
    /// The client cannot be written to. The response is done for.
    pub fn send(
        &mut self,
        channel: &mut dyn Channel,
        part: Part<'_>,
        is_last: bool,
    ) -> io::Result<()> {
        let mut head_bytes = Vec::new();
        let (mut sent, trailers) = match std::mem::replace(self, Answer::Done) {
            Answer::Head(mut head, trailers) => {
                if is_last && trailers == Trailers::No && !channel.rules().is_head {
                    head.set_known_length(match &part {
                        Part::Bytes(bytes) => bytes.len() as u64,
                        Part::File(_, length) => *length,
                    });
                }
                if let Some((name, value)) = channel.echo() {
                    head.add_unless_given(name, value);
                }
                let (server, date) = channel.stamp();
                let body = head.begin(channel.rules(), server, date, &mut head_bytes);
                (Sent { head, body }, trailers)
            }
            Answer::Body(sent, trailers) => (sent, trailers),
            other => {
                *self = other;
                return Ok(());
            }
        };
        let end = if is_last && trailers == Trailers::No {
            sent.body.end()
        } else {
            b""
        };
        let result = match part {
            Part::Bytes(bytes) => {
                let frame = sent.body.frame(bytes.len());
                write(
                    channel,
                    &[
                        &head_bytes,
                        frame.prefix.as_bytes(),
                        &bytes[..frame.length],
                        frame.suffix,
                        end,
                    ],
                )
            }
            Part::File(file, length) => {
                let frame = sent
                    .body
                    .frame(usize::try_from(length).unwrap_or(usize::MAX));
                write(channel, &[&head_bytes, frame.prefix.as_bytes()])
                    .and_then(|()| match frame.length {
                        0 => Ok(()),
                        length => channel.send_file(file, 0, length as u64),
                    })
                    .and_then(|()| write(channel, &[frame.suffix, end]))
            }
        };
        *self = match (is_last, trailers) {
            (true, Trailers::Promised) => Answer::Trailers(sent, Vec::new()),
            _ => Answer::Body(sent, trailers),
        };
        result
    }

    /// Sends an interim response before the head (RFC 8297); nothing to
    /// clients of HTTP/1.0, which do not know of them.
    pub fn early_hints(&self, channel: &mut dyn Channel, hints: &[u8]) -> io::Result<()> {
        let is_early = matches!(self, Answer::Nothing | Answer::Head(..));
        if !is_early || channel.head().version().as_str() == "HTTP/1.0" {
            return Ok(());
        }
        channel.inform(hints)
    }

    /// Sends what ends the body: the trailers, where the client wants them
    /// and the framing has room for them (RFC 9112 section 7.1.2).
    pub fn end_with_trailers(&mut self, channel: &mut dyn Channel) -> io::Result<()> {
        let Answer::Trailers(sent, lines) = self else {
            return Ok(());
        };
        let chunked = !sent.body.end().is_empty();
        let wanted = channel.head().fields().any(|(name, value)| {
            name.eq_ignore_ascii_case(b"te")
                && value
                    .split(|&byte| byte == b',')
                    .any(|word| word.trim_ascii().eq_ignore_ascii_case(b"trailers"))
        });
        match (chunked, wanted) {
            (true, true) => write(channel, &[b"0\r\n", lines, b"\r\n"]),
            _ => write(channel, &[sent.body.end()]),
        }
    }

    /// True once a byte of the response may have gone out.
    pub fn has_begun(&self) -> bool {
        !matches!(self, Answer::Nothing | Answer::Head(..))
    }

    /// Ends the exchange in good order.
    pub fn finish(&mut self, channel: Box<dyn Channel>) {
        self.close(channel, true);
    }

    /// Ends it in the middle: the client must not take what it has for all.
    pub fn break_off(&mut self, channel: Box<dyn Channel>) {
        self.close(channel, false);
    }

    fn close(&mut self, channel: Box<dyn Channel>, whole: bool) {
        let sent = match std::mem::replace(self, Answer::Done) {
            Answer::Body(sent, _) | Answer::Trailers(sent, _) => Some(sent),
            _ => None,
        };
        if let Some(sent) = sent.as_ref().filter(|sent| sent.body.was_dropped()) {
            let head = channel.head();
            dropped_body(head.method(), head.target(), sent.head.code());
        }
        channel.finish(&Finished {
            status: sent.as_ref().map_or(0, |sent| sent.head.code()),
            body_bytes: sent.as_ref().map_or(0, |sent| sent.body.sent()),
            keep_alive: whole && sent.as_ref().is_some_and(|sent| sent.body.keeps_alive()),
            broken: !whole,
            head: sent.as_ref().map(|sent| &sent.head),
        });
    }

    /// Answers with a page of the server's own, if nothing was sent, and ends.
    pub fn fail(&mut self, mut channel: Box<dyn Channel>, status: Status, message: &str) {
        if self.has_begun() {
            return self.break_off(channel);
        }
        *self = Answer::Done;
        let page = ErrorPage {
            status,
            message,
            date: channel.stamp().1,
            is_head: channel.rules().is_head,
            fields: channel.echo().as_slice(),
        }
        .render();
        let sent = write(&mut *channel, &[&page.bytes]);
        channel.finish(&Finished {
            status: status.code,
            body_bytes: sent.map_or(0, |()| page.body_length as u64),
            keep_alive: false,
            broken: false,
            head: None,
        });
    }
}

fn write(channel: &mut dyn Channel, parts: &[&[u8]]) -> io::Result<()> {
    let mut slices = [IoSlice::new(b""); 5];
    let mut count = 0;
    for part in parts.iter().filter(|part| !part.is_empty()) {
        slices[count] = IoSlice::new(part);
        count += 1;
    }
    if count == 0 {
        return Ok(());
    }
    channel.write(&mut slices[..count])
}
