//! permessage-deflate (RFC 7692 section 7.2): messages as raw deflate blocks
//! without the four bytes that end a flush.

use super::error::Violation;
use super::extension::Compression;
use flate2::{Compress, Decompress, FlushCompress, FlushDecompress, Status};

/// The bytes that a sender removes from the end of each message, and a receiver
/// adds.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// The output buffer grows by this many bytes.
const STEP: usize = 4096;

/// Compresses messages. Its state is made for the first message, because most
/// connections are idle.
#[derive(Debug)]
pub(super) struct Deflater {
    state: Option<Compress>,
    bits: u8,
    forgets: bool,
}

impl Deflater {
    pub fn new(agreed: &Compression) -> Deflater {
        Deflater {
            state: None,
            bits: agreed.server_max_window_bits,
            forgets: agreed.server_no_context_takeover,
        }
    }

    /// The payload of a frame with the whole `message`.
    pub fn compress(&mut self, message: &[u8]) -> Vec<u8> {
        let bits = self.bits;
        let state = self.state.get_or_insert_with(|| {
            Compress::new_with_window_bits(flate2::Compression::fast(), false, bits)
        });
        let mut out = Vec::with_capacity(message.len() / 2 + 64);
        let start = state.total_in();
        loop {
            let done = (state.total_in() - start) as usize;
            state
                .compress_vec(&message[done..], &mut out, FlushCompress::Sync)
                .expect("deflate takes any bytes");
            if out.len() < out.capacity() {
                break;
            }
            out.reserve(STEP);
        }
        out.truncate(out.len() - TAIL.len());
        if self.forgets {
            state.reset();
        }
        out
    }
}

/// Decompresses messages that come in pieces.
#[derive(Debug)]
pub(super) struct Inflater {
    state: Option<Decompress>,
    forgets: bool,
}

impl Inflater {
    pub fn new(agreed: &Compression) -> Inflater {
        Inflater {
            state: None,
            forgets: agreed.client_no_context_takeover,
        }
    }

    /// Appends the decompressed `piece` to `out`, which never grows beyond
    /// `limit`.
    pub fn piece(
        &mut self,
        mut piece: &[u8],
        out: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), Violation> {
        let state = self
            .state
            .get_or_insert_with(|| Decompress::new_with_window_bits(false, 15));
        loop {
            if out.len() == out.capacity() {
                out.reserve(STEP);
            }
            let (read, written) = (state.total_in(), out.len());
            let status = state
                .decompress_vec(piece, out, FlushDecompress::Sync)
                .map_err(|_| Violation::Compression)?;
            if out.len() > limit {
                return Err(Violation::TooBig(limit));
            }
            let read = (state.total_in() - read) as usize;
            piece = &piece[read..];
            if status == Status::StreamEnd {
                // zlib ends at a final block, but the message may continue (RFC
                // 7692 section 7.2.3.4). The continuation does not refer to
                // anything before it.
                state.reset(false);
            } else if (piece.is_empty() && out.len() < out.capacity())
                || (read == 0 && out.len() == written)
            {
                return Ok(());
            }
        }
    }

    /// Ends a message.
    pub fn end(&mut self, out: &mut Vec<u8>, limit: usize) -> Result<(), Violation> {
        self.piece(&TAIL, out, limit)?;
        if self.forgets
            && let Some(state) = &mut self.state
        {
            state.reset(false);
        }
        Ok(())
    }
}
