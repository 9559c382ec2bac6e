//! What carries one request and its response: a stream of frames.

use crate::http::{ResponseHead, fields_of, is_connection_field};
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::header::{CONTENT_LENGTH, DATE, SERVER};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use std::task::{Context, Poll, Waker};

/// One stream of a session. After the client has reset the stream, nothing can
/// be sent on it.
#[derive(Debug)]
pub struct Carrier {
    body: RecvStream,
    respond: SendResponse<Bytes>,
    /// Set once the final head was sent.
    send: Option<SendStream<Bytes>>,
}

/// The result of reading a body.
#[derive(Debug)]
pub enum Received {
    Data(Bytes),
    End,
    /// Nothing is there at present.
    Nothing,
    /// The stream was reset, or the connection was lost.
    Reset,
}

/// The stream was reset, or the connection was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

impl Carrier {
    pub(super) fn new(body: RecvStream, respond: SendResponse<Bytes>) -> Carrier {
        Carrier {
            body,
            respond,
            send: None,
        }
    }

    /// The number of the stream.
    pub fn id(&self) -> u32 {
        self.respond.stream_id().as_u32()
    }

    /// Reads a part of the body. Its bytes count as taken only after
    /// [`release`](Carrier::release).
    pub fn receive(&mut self) -> Received {
        let context = &mut Context::from_waker(Waker::noop());
        match self.body.poll_data(context) {
            Poll::Ready(Some(Ok(data))) => Received::Data(data),
            Poll::Ready(Some(Err(_))) => Received::Reset,
            // Trailers are checked by h2, and given to no app.
            Poll::Ready(None) => Received::End,
            Poll::Pending => Received::Nothing,
        }
    }

    /// Lets the client send so many more bytes.
    pub fn release(&mut self, bytes: usize) {
        // It fails only if the stream has ended.
        let _ = self.body.flow_control().release_capacity(bytes);
    }

    /// True once the client has reset the stream, or the connection was lost.
    pub fn is_reset(&mut self) -> bool {
        let context = &mut Context::from_waker(Waker::noop());
        match &mut self.send {
            Some(send) => send.poll_reset(context).is_ready(),
            None => self.respond.poll_reset(context).is_ready(),
        }
    }

    /// Sends an interim response.
    pub fn interim<'a>(
        &mut self,
        code: u16,
        fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<(), Gone> {
        let mut response = Response::new(());
        *response.status_mut() = status(code);
        *response.headers_mut() = map_of(fields);
        let sent = self.respond.send_informational(response);
        sent.map_err(|_| Gone)
    }

    /// Sends the final head.
    pub fn send_head(&mut self, head: Response<()>, is_last: bool) -> Result<(), Gone> {
        let sent = self.respond.send_response(head, is_last);
        self.send = Some(sent.map_err(|_| Gone)?);
        Ok(())
    }

    /// How many of `wanted` bytes the client takes at present.
    pub fn room(&mut self, wanted: usize) -> usize {
        let Some(send) = &mut self.send else { return 0 };
        send.reserve_capacity(wanted);
        let room = send.capacity().min(wanted);
        if room < wanted {
            // What it does not get now must not wait before other streams.
            send.reserve_capacity(room);
        }
        room
    }

    /// Sends data for which there is [`room`](Carrier::room).
    pub fn send_data(&mut self, data: Bytes, is_last: bool) -> Result<(), Gone> {
        let send = self.send.as_mut().ok_or(Gone)?;
        send.send_data(data, is_last).map_err(|_| Gone)
    }

    /// Sends the end with trailers.
    pub fn send_trailers(&mut self, trailers: HeaderMap) -> Result<(), Gone> {
        let send = self.send.as_mut().ok_or(Gone)?;
        send.send_trailers(trailers).map_err(|_| Gone)
    }

    pub fn reset(&mut self, reason: Reason) {
        self.respond.send_reset(reason);
    }
}

/// The head of a final response, with the server's own fields.
pub fn frame_head(head: &ResponseHead, server: &str, date: &str) -> Response<()> {
    let mut response = begun(head.code(), server, date);
    let fields = response.headers_mut();
    append_all(fields, head.fields());
    if let Some(length) = head.stated_length() {
        fields.append(CONTENT_LENGTH, length.into());
    }
    response
}

/// The fields of these lines.
pub fn trailers_of(lines: &[u8]) -> HeaderMap {
    map_of(fields_of(lines))
}

/// The head of a page of the server's own.
pub fn page_head<'a>(
    code: u16,
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> Response<()> {
    let mut response = begun(code, "", "");
    append_all(response.headers_mut(), fields);
    response
}

fn begun(code: u16, server: &str, date: &str) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = status(code);
    let fields = response.headers_mut();
    for (name, value) in [(SERVER, server), (DATE, date)] {
        if let Ok(value) = HeaderValue::from_str(value)
            && !value.is_empty()
        {
            fields.append(name, value);
        }
    }
    response
}

fn map_of<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> HeaderMap {
    let mut map = HeaderMap::new();
    append_all(&mut map, fields);
    map
}

/// Adds the fields that HTTP/2 can carry (RFC 9113 section 8.2.2).
fn append_all<'a>(map: &mut HeaderMap, fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) {
    for (name, value) in fields {
        if !is_connection_field(name)
            && let Ok(name) = HeaderName::from_bytes(name)
            && let Ok(value) = HeaderValue::from_bytes(value)
        {
            map.append(name, value);
        }
    }
}

fn status(code: u16) -> StatusCode {
    // The codes of apps have three digits.
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
