//! The destination of a log: a file, or one of the standard streams.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{self, Path, PathBuf};

use memchr::memrchr;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{dup2_stderr, dup2_stdout, write};

use crate::system;

/// The longest write that a pipe takes in one piece (Linux's PIPE_BUF).
const PIPE_BUF: usize = 4096;

/// An open log.
#[derive(Debug)]
pub enum Destination {
    Stdout(io::Stdout),
    Stderr(io::Stderr),
    File {
        file: File,
        path: PathBuf,
        /// True for a regular file; false for `/dev/stdout` or a FIFO.
        regular: bool,
    },
}

impl Destination {
    /// Opens a file to append to it, and makes it if it does not exist. The
    /// error names the file.
    pub fn append_to(path: &Path) -> io::Result<Self> {
        let path = path::absolute(path)?;
        let file = open(&path)?;
        let regular = file.metadata()?.is_file();
        Ok(Self::File {
            file,
            path,
            regular,
        })
    }

    /// Opens the file of the same path again, under the same descriptor, so
    /// that no line is lost. The standard streams stay as they are.
    ///
    /// # Errors
    /// The file cannot be opened; the error names it. The old file stays open.
    pub fn reopen(&self) -> io::Result<()> {
        if let Self::File { file, path, .. } = self {
            system::replace(file, open(path)?)?;
        }
        Ok(())
    }

    /// Redirects the process's standard output and standard error to this file.
    pub fn capture_standard_streams(&self) -> io::Result<()> {
        if let Self::File { file, .. } = self {
            dup2_stdout(file)?;
            dup2_stderr(file)?;
        }
        Ok(())
    }

    /// Writes complete lines. Where the system allows it, lines of other
    /// processes do not come between their parts: a file takes everything in
    /// one write, a pipe only a page. Errors are ignored, because a log that
    /// cannot be written is no reason to fail a request.
    pub fn write_lines(&self, lines: &[u8]) {
        if lines.len() <= PIPE_BUF || matches!(self, Self::File { regular: true, .. }) {
            return self.write_all(lines);
        }
        let mut rest = lines;
        while !rest.is_empty() {
            let page = &rest[..rest.len().min(PIPE_BUF)];
            let end = memrchr(b'\n', page).map_or(page.len(), |at| at + 1);
            let (piece, after) = rest.split_at(end);
            self.write_all(piece);
            rest = after;
        }
    }

    fn write_all(&self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match write(self, bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => {
                    let mut ready = [PollFd::new(self.as_fd(), PollFlags::POLLOUT)];
                    let _ = poll(&mut ready, PollTimeout::NONE);
                }
                Err(_) => return,
            }
        }
    }
}

fn open(path: &path::Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .map_err(|error| {
            let path = path.display();
            let text = format!("The log file '{path}' cannot be opened: {error}.");
            io::Error::new(error.kind(), text)
        })
}

impl AsFd for Destination {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Stdout(stream) => stream.as_fd(),
            Self::Stderr(stream) => stream.as_fd(),
            Self::File { file, .. } => file.as_fd(),
        }
    }
}
