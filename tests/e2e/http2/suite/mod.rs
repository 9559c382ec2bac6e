//! What RFC 9113 and RFC 7541 ask of a server, as cases with names. The numbers in front are
//! sections of RFC 9113, or of RFC 7541 behind "HPACK".
//!
//! Some cases let PROTOCOL_ERROR pass where the RFC names another code. That is the code for
//! errors without one of their own (RFC 9113, section 7); the crate h2 uses it for more.

mod continuation;
mod field_coding;
mod fields;
mod flow_control;
mod frames;
mod messages;
mod settings;
mod streams;

use crate::support::http2::frame::setting;
use crate::support::http2::{Http2, Origin};

pub struct Case {
    pub name: &'static str,
    /// The case of h2spec that asks the same, by its group, section and number; empty if
    /// there is none. Its sections are those of RFC 7540.
    pub h2spec: &'static str,
    /// Panics if the server does not conform.
    pub run: fn(&Origin),
}

/// All cases. They need the app in `tests/apps/mirror`.
pub fn cases() -> Vec<Case> {
    [
        frames::cases(),
        streams::cases(),
        messages::frames(),
        settings::cases(),
        flow_control::cases(),
        continuation::cases(),
        messages::cases(),
        fields::cases(),
        field_coding::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn case(name: &'static str, h2spec: &'static str, run: fn(&Origin)) -> Case {
    Case { name, h2spec, run }
}

/// A connection with a stream that is open in both directions: the request is not whole.
#[track_caller]
fn open_stream(origin: &Origin) -> (Http2, u32) {
    let mut client = Http2::open(origin);
    let stream = client.post("/");
    (client, stream)
}

/// A connection with a stream whose request is whole, and whose response cannot end: the
/// client has no window for it.
#[track_caller]
fn half_closed_stream(origin: &Origin) -> (Http2, u32) {
    let mut client = Http2::open_with(origin, &[(setting::INITIAL_WINDOW_SIZE, 0)]);
    let stream = client.get("/");
    client.response_head(stream);
    (client, stream)
}

/// A connection with a stream that both sides have ended.
#[track_caller]
fn closed_stream(origin: &Origin) -> (Http2, u32) {
    let mut client = Http2::open(origin);
    let stream = client.get("/");
    client.response(stream).ok();
    (client, stream)
}
