//! Whose data goes out next: streams of higher urgency first (RFC 9218 section
//! 10).

use super::state::{Http2, StreamEnd, StreamState};
use crate::http2::{Gone, Reason};
use crate::worker::network::connection::receiving::LOW_WATER;
use crate::worker::network::rules::{Rules, deadline_after};
use bytes::Bytes;
use std::collections::BTreeSet;

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
        let window = self.scanner.window();
        let mut room = MOST_DATA;
        let mut turns: BTreeSet<_> = self
            .sending
            .drain(..)
            .filter_map(|id| {
                let stream = self.streams.get(&id)?;
                Some(stream.turn(id))
            })
            .collect();
        while let Some(turn) = turns.pop_first() {
            let id = turn.stream;
            let Some(stream) = self.streams.get_mut(&id) else {
                continue;
            };
            // Without a window of the connection it is not this stream that waits for
            // the client.
            let is_open = window > (MOST_DATA - room) as i64;
            let given = room > 0
                && stream
                    .give(&mut room, is_open, rules)
                    .unwrap_or_else(|Gone| {
                        stream.broken = true;
                        true
                    });
            if given {
                stream.note_room(&mut self.events);
            }
            if !stream.has_output() {
                stream.is_sending = false;
                if stream.is_over() {
                    self.streams.remove(&id);
                }
            } else if given && room > 0 {
                turns.insert(stream.turn(id));
            } else {
                if room == 0 {
                    // It waits for others.
                    stream.send_deadline = None;
                }
                self.sending.push(id);
            }
        }
        room == 0 && !self.sending.is_empty()
    }
}

/// The turn of a stream. The first one is that of the most urgent stream; of equal
/// ones, those go first whose parts are of no use alone, one stream after another, and
/// then the others, part by part.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    urgency: u8,
    incremental: bool,
    turns: u32,
    stream: u32,
}

impl StreamState {
    fn turn(&self, stream: u32) -> Turn {
        let incremental = self.priority.incremental;
        Turn {
            urgency: self.priority.urgency,
            incremental,
            turns: if incremental { self.turns } else { 0 },
            stream,
        }
    }

    /// Gives the session this stream's output: all of it, or the part of one turn.
    /// `room` is how many bytes the session takes; `is_open` is true if the connection
    /// has a window for them. True if something was given.
    fn give(&mut self, room: &mut usize, is_open: bool, rules: &Rules) -> Result<bool, Gone> {
        if self.broken {
            return Ok(false);
        }
        let mut given = self.give_head()?;
        let mut is_blocked = false;
        while !self.output.is_empty() && *room > 0 {
            let wanted = self.output.next_length().min(LONGEST_DATA).min(*room);
            let length = self.carrier.room(wanted);
            if length == 0 {
                is_blocked = is_open;
                break;
            }
            self.give_data(length, room)?;
            given = true;
            if self.priority.incremental {
                self.turns = self.turns.wrapping_add(1);
                break;
            }
        }
        given |= self.output.is_empty() && self.give_end()?;
        // A client that takes nothing of this stream has only a limited time.
        if !is_blocked {
            self.send_deadline = None;
        } else if given || self.send_deadline.is_none() {
            self.send_deadline = deadline_after(rules.send_timeout);
        }
        Ok(given)
    }

    fn give_head(&mut self) -> Result<bool, Gone> {
        let Some(head) = self.head.take() else {
            return Ok(false);
        };
        self.is_ended = self.ends_now();
        self.carrier.send_head(head, self.is_ended)?;
        Ok(true)
    }

    fn give_data(&mut self, length: usize, room: &mut usize) -> Result<(), Gone> {
        let data = self.output.take(length).map_err(|error| {
            ::log::error!("A response cannot be read from its file: {error}");
            self.carrier.reset(Reason::INTERNAL_ERROR);
            Gone
        })?;
        *room -= data.len();
        self.is_ended = self.ends_now();
        self.carrier.send_data(data, self.is_ended)
    }

    /// Gives the end in a frame of its own, if it is due.
    fn give_end(&mut self) -> Result<bool, Gone> {
        if self.is_ended {
            return Ok(false);
        }
        match self.end.take() {
            Some(StreamEnd::Plain) => self.carrier.send_data(Bytes::new(), true)?,
            Some(StreamEnd::Trailers(trailers)) => self.carrier.send_trailers(*trailers)?,
            None => return Ok(false),
        }
        self.is_ended = true;
        Ok(true)
    }

    /// True if the end goes with the frame that is sent now.
    fn ends_now(&self) -> bool {
        self.output.is_empty() && matches!(self.end, Some(StreamEnd::Plain))
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
