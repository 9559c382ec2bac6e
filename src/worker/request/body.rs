//! A request's body between the network and the app: held in memory, beyond
//! that in a file without a name, until it is taken.

use crate::http::{BodyDecoder, Error, Framing, Limits, Piece};
use crate::worker::request::spool::Spool;
use std::io;
use std::path::Path;

/// How much is taken out of the file at once.
const BLOCK: usize = 256 * 1024;

/// The body of one request.
#[derive(Debug)]
pub struct Body {
    decoder: BodyDecoder,
    memory: Vec<u8>,
    /// What `memory` had no room for; it comes before what is there.
    spool: Option<Spool>,
    /// Bytes that were taken out of the spool.
    taken: u64,
    /// True once a file could not be made or written: then the rest is held in
    /// memory, and no more is received than the app asks for.
    has_no_room: bool,
    ended: bool,
    /// True while the client waits to be asked for the body (RFC 9110 section
    /// 10.1.1, `Expect: 100-continue`).
    pub waits_to_be_asked: bool,
}

impl Body {
    pub fn new(framing: Framing, limits: &Limits, waits_to_be_asked: bool) -> Body {
        Body {
            decoder: BodyDecoder::new(framing, limits),
            memory: Vec::new(),
            spool: None,
            taken: 0,
            has_no_room: false,
            ended: false,
            waits_to_be_asked,
        }
    }

    /// True once all of the body has come.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Bytes that were received and not taken.
    pub fn held(&self) -> u64 {
        self.memory.len() as u64 + self.spooled()
    }

    /// Those of them that lie in the file.
    fn spooled(&self) -> u64 {
        let written = self.spool.as_ref().map_or(0, Spool::written);
        written.saturating_sub(self.taken)
    }

    /// True if what was received lies in a file.
    pub fn is_spooled(&self) -> bool {
        self.spool.is_some()
    }

    /// True once what is received can only be held in memory.
    pub fn has_no_room(&self) -> bool {
        self.has_no_room
    }

    /// Puts what is held, and what comes from now on, into a file without a
    /// name in this folder, else in the usual one, if that can be done.
    pub fn spool(&mut self, folder: Option<&Path>) {
        let spooled = Spool::new(folder).and_then(|mut spool| {
            spool.append(&self.memory)?;
            Ok(spool)
        });
        match spooled {
            Ok(spool) => {
                self.spool = Some(spool);
                self.taken = 0;
                self.memory = Vec::new();
            }
            Err(error) => self.give_up_file(&error),
        }
    }

    /// From now on the body is held in memory. The app is to be called, so that
    /// it is not too much.
    fn give_up_file(&mut self, error: &io::Error) {
        ::log::error!(
            "A request's body cannot be put into a file ({error}): the app is called before it \
             is whole. See tmp_upload_dir."
        );
        self.has_no_room = true;
    }

    fn keep(&mut self, data: &[u8]) {
        if let Some(spool) = self.spool.as_mut().filter(|_| !self.has_no_room) {
            match spool.append(data) {
                Ok(_) => return,
                Err(error) => self.give_up_file(&error),
            }
        }
        self.memory.extend_from_slice(data);
    }

    /// Takes what belongs to the body off the front of `input`.
    pub fn feed(&mut self, input: &mut &[u8]) -> Result<(), Error> {
        loop {
            match self.decoder.next(input)? {
                Piece::Data(data) => self.keep(data),
                Piece::NeedMore => {
                    // By length, the end is known before it is looked for.
                    self.ended = self.decoder.is_done();
                    return Ok(());
                }
                Piece::End => {
                    self.ended = true;
                    return Ok(());
                }
            }
        }
    }

    /// Moves bytes that are held to the end of `into`; gives their number.
    pub fn take(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        let length = usize::try_from(self.spooled()).map_or(BLOCK, |left| left.min(BLOCK));
        if let Some(spool) = self.spool.as_ref().filter(|_| length > 0) {
            let start = into.len();
            into.resize(start + length, 0);
            spool
                .read(&mut into[start..], self.taken)
                .inspect_err(|_| into.truncate(start))?;
            self.taken += length as u64;
            return Ok(length);
        }
        self.spool = None;
        let length = self.memory.len();
        if into.is_empty() {
            std::mem::swap(into, &mut self.memory);
        } else {
            into.append(&mut self.memory);
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(framing: Framing) -> Body {
        Body::new(framing, &Limits::default(), false)
    }

    fn take_all(body: &mut Body) -> Vec<u8> {
        let mut all = b"before ".to_vec();
        while body.take(&mut all).unwrap() > 0 {}
        all
    }

    #[test]
    fn what_is_in_memory_moves_to_the_file_and_both_come_out_in_order() {
        let mut body = body(Framing::Length(9));
        body.feed(&mut &b"one"[..]).unwrap();
        body.spool(None);
        let mut input = &b"two threefour"[..];
        body.feed(&mut input).unwrap();
        assert!(body.has_ended() && body.is_spooled());
        assert_eq!((body.held(), input), (9, &b"reefour"[..]));
        assert_eq!(take_all(&mut body), b"before onetwo th");
        assert_eq!(body.held(), 0);
    }

    #[test]
    fn the_end_is_seen_with_the_last_byte() {
        let mut body = body(Framing::Length(3));
        body.feed(&mut &b"on"[..]).unwrap();
        assert!(!body.has_ended());
        body.feed(&mut &b"e"[..]).unwrap();
        assert!(body.has_ended());
    }

    #[test]
    fn a_body_that_is_none_is_an_error() {
        let mut body = body(Framing::Chunked);
        assert!(body.feed(&mut &b"x\r\n"[..]).is_err());
    }
}
