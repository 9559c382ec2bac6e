//! A request's body between the network and the app: kept in memory, and above
//! a limit in a file without a name, until the app takes it.

use crate::http::{BodyDecoder, BodyPiece, Error, Framing, Limits};
use crate::worker::request::spool::Spool;
use std::io;
use std::path::Path;

/// How many bytes are read from the file at once.
const BLOCK: usize = 256 * 1024;

/// The body of one request.
#[derive(Debug)]
pub struct Body {
    decoder: BodyDecoder,
    memory: Vec<u8>,
    /// The file, if one is used. Its bytes come before those in `memory`.
    spool: Option<Spool>,
    /// Bytes that were taken from the spool.
    taken: u64,
    /// True once a file could not be made or written. From then on the body is
    /// kept in memory, and only received as the app reads it.
    file_failed: bool,
    ended: bool,
    /// True while the client waits for a 100 response before it sends the body
    /// (RFC 9110 section 10.1.1, `Expect: 100-continue`).
    pub expects_continue: bool,
}

impl Body {
    pub fn new(framing: Framing, limits: &Limits, expects_continue: bool) -> Body {
        Body {
            decoder: BodyDecoder::new(framing, limits),
            memory: Vec::new(),
            spool: None,
            taken: 0,
            file_failed: false,
            ended: false,
            expects_continue,
        }
    }

    /// True once the whole body was received.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Bytes that were received and not taken yet.
    pub fn buffered(&self) -> u64 {
        self.memory.len() as u64 + self.spooled()
    }

    /// The part of the buffered bytes that is in the file.
    fn spooled(&self) -> u64 {
        let written = self.spool.as_ref().map_or(0, Spool::written);
        written.saturating_sub(self.taken)
    }

    /// True if a file is used.
    pub fn is_spooled(&self) -> bool {
        self.spool.is_some()
    }

    /// True once no file can be used.
    pub fn file_failed(&self) -> bool {
        self.file_failed
    }

    /// Moves the buffered bytes into a file without a name, and writes further
    /// ones there: in this folder, or in the system's folder for temporary
    /// files. Keeps them in memory if that fails.
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
            Err(error) => self.keep_in_memory(&error),
        }
    }

    /// Keeps the body in memory from now on. The app is called early, so that
    /// the body is not larger than necessary.
    fn keep_in_memory(&mut self, error: &io::Error) {
        ::log::error!(
            "A request's body cannot be put into a file ({error}): the app is called before it \
             is whole. See tmp_upload_dir."
        );
        self.file_failed = true;
    }

    fn keep(&mut self, data: &[u8]) {
        if let Some(spool) = self.spool.as_mut().filter(|_| !self.file_failed) {
            match spool.append(data) {
                Ok(_) => return,
                Err(error) => self.keep_in_memory(&error),
            }
        }
        self.memory.extend_from_slice(data);
    }

    /// Takes the body's bytes off the front of `input`.
    pub fn feed(&mut self, input: &mut &[u8]) -> Result<(), Error> {
        loop {
            match self.decoder.next(input)? {
                BodyPiece::Data(data) => self.keep(data),
                BodyPiece::NeedMore => {
                    // With a Content-Length, the decoder knows the end before
                    // its next call.
                    self.ended = self.decoder.is_done();
                    return Ok(());
                }
                BodyPiece::End => {
                    self.ended = true;
                    return Ok(());
                }
            }
        }
    }

    /// Takes note that the stream of the body has ended.
    pub fn end(&mut self) {
        self.decoder.end();
        self.ended = true;
    }

    /// Moves buffered bytes to the end of `into`, and gives their number.
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
    fn bytes_in_memory_move_to_the_file_and_all_are_taken_in_order() {
        let mut body = body(Framing::Length(9));
        body.feed(&mut &b"one"[..]).unwrap();
        body.spool(None);
        let mut input = &b"two threefour"[..];
        body.feed(&mut input).unwrap();
        assert!(body.has_ended() && body.is_spooled());
        assert_eq!((body.buffered(), input), (9, &b"reefour"[..]));
        assert_eq!(take_all(&mut body), b"before onetwo th");
        assert_eq!(body.buffered(), 0);
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
    fn a_body_may_end_with_its_stream() {
        let mut body = body(Framing::UntilEnd);
        body.feed(&mut &b"one"[..]).unwrap();
        assert!(!body.has_ended());
        body.end();
        assert!(body.has_ended());
        // What follows is no part of it.
        body.feed(&mut &b"two"[..]).unwrap();
        assert!(body.has_ended());
        assert_eq!(take_all(&mut body), b"before one");
    }

    #[test]
    fn an_invalid_body_is_an_error() {
        let mut body = body(Framing::Chunked);
        assert!(body.feed(&mut &b"x\r\n"[..]).is_err());
    }
}
