//! The app's response, which comes in several messages.

use super::link::Link;
use crate::exchange::Response;
use crate::http::{Interim, ResponseHead, Status, Version};
use crate::log::dropped_body;
use std::fs::File;
use std::io;

/// The state of a response.
pub enum AppResponse {
    /// The app has sent no message.
    Nothing,
    /// The app has given the head. It is sent with the first part of the body.
    Head(Response, Trailers),
    Body(Response, Trailers),
    /// The body is complete; trailers may follow.
    Trailers(Response, Vec<u8>),
    Done,
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
    /// A whole file, and its length in bytes.
    File(File, u64),
}

impl AppResponse {
    /// Begins with the head.
    pub fn start(link: &Link, head: ResponseHead, trailers: Trailers) -> AppResponse {
        let mut response = Response::new(link.exchange());
        response.set_head(head);
        AppResponse::Head(response, trailers)
    }

    /// Sends a part of the body, and the head before the first.
    ///
    /// # Errors
    /// The client cannot be written to. The response has failed.
    pub fn send(&mut self, link: &mut Link, part: Part<'_>, is_last: bool) -> io::Result<()> {
        let (mut response, trailers) = match std::mem::replace(self, AppResponse::Done) {
            AppResponse::Head(response, trailers) | AppResponse::Body(response, trailers) => {
                (response, trailers)
            }
            other => {
                *self = other;
                return Ok(());
            }
        };
        let ends = is_last && trailers == Trailers::No;
        if ends {
            response.set_known_length(match &part {
                Part::Bytes(bytes) => bytes.len() as u64,
                Part::File(_, length) => *length,
            });
        }
        let stream = &**link.exchange().stream();
        let sent = match part {
            Part::Bytes(bytes) => response.send(stream, &[bytes], ends),
            Part::File(file, length) => response.send_file(stream, file, 0, length, ends),
        };
        *self = match (is_last, trailers) {
            (true, Trailers::Promised) => AppResponse::Trailers(response, Vec::new()),
            _ => AppResponse::Body(response, trailers),
        };
        link.written(sent)
    }

    /// Sends an interim response before the head (RFC 8297). Clients of
    /// HTTP/1.0 do not know interim responses and get none.
    pub fn early_hints(&self, link: &mut Link, hints: &Interim) -> io::Result<()> {
        let exchange = link.exchange();
        if self.has_begun() || exchange.head.version() == Version::Http10 {
            return Ok(());
        }
        let sent = exchange.stream().write_interim(hints);
        link.written(sent)
    }

    /// Sends the end of the body, with the trailers if the client accepts them.
    pub fn end_with_trailers(&mut self, link: &mut Link) -> io::Result<()> {
        let AppResponse::Trailers(response, lines) = self else {
            return Ok(());
        };
        let exchange = link.exchange();
        let trailers = match exchange.head.accepts_trailers() {
            true => &lines[..],
            false => b"",
        };
        let sent = response.end_with_trailers(&**exchange.stream(), trailers);
        link.written(sent)
    }

    /// True once a byte of the response may have gone out.
    pub fn has_begun(&self) -> bool {
        !matches!(self, AppResponse::Nothing | AppResponse::Head(..))
    }

    /// Ends the exchange after a complete response.
    pub fn finish(&mut self, link: Link) {
        self.close(link, true);
    }

    /// Ends the exchange after an incomplete response. The client must be able
    /// to see that.
    pub fn break_off(&mut self, link: Link) {
        self.close(link, false);
    }

    fn close(&mut self, link: Link, whole: bool) {
        let response = match std::mem::replace(self, AppResponse::Done) {
            AppResponse::Body(response, _) | AppResponse::Trailers(response, _) => response,
            _ => Response::default(),
        };
        let finished = response.finished(whole);
        if response.body().is_some_and(|body| body.was_dropped()) {
            let head = &link.exchange().head;
            dropped_body(head.method(), head.target(), finished.status);
        }
        link.finish(&finished);
    }

    /// Ends the exchange, with an error page if nothing was sent.
    pub fn fail(&mut self, link: Link, status: Status, message: &str) {
        if self.has_begun() {
            return self.break_off(link);
        }
        *self = AppResponse::Done;
        link.fail(status, message);
    }
}
