//! The two directions of a connection in memory, for the crate `h2`.

use crate::system::lock;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The session takes no more output than about this many bytes before the
/// owner has sent it.
pub const MOST_OUTPUT: usize = 64 * 1024;

/// What has come from the client and goes to it.
#[derive(Debug, Default)]
pub struct Memory {
    /// Bytes that the session has not read. Those before `read` it has.
    input: Vec<u8>,
    read: usize,
    /// True once no more input comes.
    pub ended: bool,
    pub output: Vec<u8>,
}

impl Memory {
    pub fn receive(&mut self, bytes: &[u8]) {
        if self.read == self.input.len() {
            self.input.clear();
            self.read = 0;
        }
        self.input.extend_from_slice(bytes);
    }

    /// How many bytes the session has not read.
    pub fn unread(&self) -> usize {
        self.input.len() - self.read
    }

    /// Frees the memory of bytes that were read.
    pub fn shrink(&mut self) {
        if self.unread() == 0 {
            self.input = Vec::new();
            self.read = 0;
        }
    }
}

/// The session's end of the memory. The owner has another.
#[derive(Clone, Debug, Default)]
pub struct Pipe(Arc<Mutex<Memory>>);

impl Pipe {
    pub fn lock(&self) -> MutexGuard<'_, Memory> {
        lock(&self.0)
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut memory = self.lock();
        let length = memory.unread().min(into.remaining());
        if length == 0 {
            return match memory.ended {
                true => Poll::Ready(Ok(())),
                // The owner calls again after more bytes have come.
                false => Poll::Pending,
            };
        }
        let from = memory.read;
        into.put_slice(&memory.input[from..from + length]);
        memory.read += length;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut memory = self.lock();
        if memory.output.len() >= MOST_OUTPUT {
            return Poll::Pending;
        }
        let before = memory.output.len();
        for part in parts {
            memory.output.extend_from_slice(part);
        }
        Poll::Ready(Ok(memory.output.len() - before))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
