//! Whose data goes out next: streams of higher urgency first (RFC 9218 section
//! 10).

use super::{Http2, StreamEnd, StreamState};
use crate::http2::Gone;
use crate::worker::network::connection::receiving::LOW_WATER;
use crate::worker::network::rules::{Rules, deadline_after};
use bytes::Bytes;

/// The most bytes of data in one frame. More would only make the next stream wait
/// longer.
const LONGEST_DATA: usize = 16 * 1024;

/// The most bytes of data that are given to the session at once.
const MOST_DATA: usize = 64 * 1024;

impl Http2 {
    /// Notes that a stream has something to send.
    pub fn begin_sending(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(&id)
            && !std::mem::replace(&mut stream.is_sending, true)
        {
            self.sending.push(id);
            self.has_news = true;
        }
    }

    /// Gives the session as much of the streams' output as it takes. True if there
    /// may be more once this is sent.
    pub fn give_output(&mut self, rules: &Rules) -> bool {
        let mut room = MOST_DATA;
        while room > 0 && !self.sending.is_empty() {
            let before = room;
            let streams = &mut self.streams;
            if self.sending.len() > 1 {
                self.sending.sort_by_cached_key(|id| {
                    let stream = streams.get(id);
                    stream.map_or((0, false, 0, *id), |it| it.order(*id))
                });
            }
            let mut rest = Vec::new();
            for id in self.sending.drain(..) {
                let Some(stream) = streams.get_mut(&id) else {
                    continue;
                };
                let sent = match stream.give(&mut room, rules) {
                    Ok(sent) => sent,
                    Err(Gone) => {
                        stream.broken = true;
                        true
                    }
                };
                if sent {
                    stream.note_room(&mut self.events);
                }
                if stream.has_output() {
                    rest.push(id);
                    continue;
                }
                stream.is_sending = false;
                if stream.is_over() {
                    streams.remove(&id);
                }
            }
            self.sending = rest;
            if room == before {
                return false;
            }
        }
        !self.sending.is_empty()
    }
}

impl StreamState {
    /// Streams with a lower value go first: the more urgent ones, and then those
    /// whose parts are of no use alone, one after another. The others take turns.
    fn order(&self, id: u32) -> (u8, bool, u32, u32) {
        let incremental = self.priority.incremental;
        let turns = if incremental { self.turns } else { 0 };
        (self.priority.urgency, incremental, turns, id)
    }

    /// Gives the session this stream's output: all of it, or the part of one turn.
    /// `room` is how many bytes the session takes. True if something was given.
    fn give(&mut self, room: &mut usize, rules: &Rules) -> Result<bool, Gone> {
        let mut given = false;
        if self.broken {
            return Ok(given);
        }
        if let Some(head) = self.head.take() {
            let is_plain = matches!(self.end, Some(StreamEnd::Plain));
            self.is_ended = self.output.is_empty() && is_plain;
            self.carrier.send_head(head, self.is_ended)?;
            given = true;
        }
        while !self.output.is_empty() {
            let wanted = self.output.next_length().min(LONGEST_DATA).min(*room);
            let length = if wanted == 0 {
                0
            } else {
                self.carrier.room(wanted)
            };
            if length == 0 {
                break;
            }
            let data = self.output.take(length).map_err(|error| {
                ::log::error!("A response cannot be read from its file: {error}");
                self.carrier.reset(crate::http2::Reason::INTERNAL_ERROR);
                Gone
            })?;
            *room -= data.len();
            given = true;
            let is_plain = matches!(self.end, Some(StreamEnd::Plain));
            self.is_ended = self.output.is_empty() && is_plain;
            self.carrier.send_data(Bytes::from(data), self.is_ended)?;
            if self.priority.incremental {
                self.turns = self.turns.wrapping_add(1);
                break;
            }
        }
        if self.output.is_empty() && !self.is_ended {
            match self.end.take() {
                Some(StreamEnd::Plain) => self.carrier.send_data(Bytes::new(), true)?,
                Some(StreamEnd::Trailers(trailers)) => self.carrier.send_trailers(trailers)?,
                None => {
                    self.send_deadline = None;
                    return Ok(given);
                }
            }
            self.is_ended = true;
            given = true;
        }
        // A client that takes nothing has only a limited time.
        if self.is_ended {
            self.send_deadline = None;
        } else if given || self.send_deadline.is_none() {
            self.send_deadline = deadline_after(rules.send_timeout);
        }
        Ok(given)
    }

    /// The client has taken a part of the response: an app that waits may go on.
    fn note_room(&mut self, events: &mut Vec<super::Event>) {
        let is_low = self.broken || self.output.in_memory() <= LOW_WATER;
        if self.request.held_back && is_low {
            self.request.held_back = false;
            if self.with_app {
                events.push(super::Event::Writable(self.key));
                self.wake();
            }
        }
    }
}
