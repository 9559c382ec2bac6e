//! Leaving the terminal: the server goes on in the background, and the command
//! that was typed waits until it is up. If it does not come up, the command
//! says why, and ends as the server has ended.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::{Mutex, MutexGuard};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{ForkResult, dup2_stderr, dup2_stdin, dup2_stdout, setsid};

use super::exit_code::exit_now;
use crate::python;
use crate::system::lock;

/// The messages to the command begin with one of these.
const UP: u8 = b'+';
/// The exit code follows.
const FAILED: u8 = b'-';
/// Text follows.
const SAID: u8 = b' ';

/// As long as a message may be.
const LONGEST: usize = 32 << 10;

/// The socket to the command that waits for this process, if one does. Workers have
/// it, too, until they have loaded the app.
static COMMAND: Mutex<Option<OwnedFd>> = Mutex::new(None);

/// Goes on in the background: in a session of its own, which can have no
/// terminal, with a file mask of 022 and, unless `keep_streams`, with `/dev/null`
/// as its standard streams. The process that was started waits for [`report_up`] or
/// [`report_failure`]. True if standard error is still the same.
///
/// # Errors
/// The system has no room for another process.
pub fn daemonize(keep_streams: bool) -> io::Result<bool> {
    let (ours, theirs) = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )?;
    match python::fork()? {
        ForkResult::Parent { .. } => {
            drop(ours);
            exit_now(wait_for_news(&theirs).into());
        }
        ForkResult::Child => drop(theirs),
    }
    setsid()?;
    // Only the leader of a session can get a terminal; its child cannot.
    if let ForkResult::Parent { .. } = python::fork()? {
        exit_now(0);
    }
    umask(Mode::from_bits_truncate(0o022));
    let null = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    let keeps = |is_terminal: bool| keep_streams && !is_terminal;
    dup2_stdin(null.as_fd())?;
    if !keeps(io::stdout().is_terminal()) {
        dup2_stdout(null.as_fd())?;
    }
    let keeps_stderr = keeps(io::stderr().is_terminal());
    *command() = Some(ours);
    if !keeps_stderr {
        dup2_stderr(null.as_fd())?;
    }
    Ok(keeps_stderr)
}

/// Gives the command that waits a text to print, in case the server does not come
/// up. True if the command has got it.
pub fn print_later(text: &str) -> bool {
    let mut pieces = text.as_bytes().chunks(LONGEST);
    pieces.all(|piece| post(&[&[SAID], piece].concat()))
}

/// The server is up: the command that waits ends with 0.
pub fn report_up() {
    post(&[UP]);
    disconnect();
}

/// The server has ended with this code: if the command still waits, the server has
/// not come up.
pub fn report_failure(code: u8) {
    post(&[FAILED, code]);
    disconnect();
}

/// Closes the socket to the command: this process has no more messages for it.
pub fn disconnect() {
    *command() = None;
}

fn command() -> MutexGuard<'static, Option<OwnedFd>> {
    lock(&COMMAND)
}

/// Sends a message, if the command waits for it. It does not block.
fn post(message: &[u8]) -> bool {
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    let sent = |command: &OwnedFd| send(command.as_raw_fd(), message, flags).is_ok();
    command().as_ref().is_some_and(sent)
}

/// Waits for the server, in the process that was started. Gives its exit code.
fn wait_for_news(news: &OwnedFd) -> u8 {
    let mut said = Vec::new();
    let mut message = vec![0; 1 + LONGEST];
    let code = loop {
        match recv(news.as_raw_fd(), &mut message, MsgFlags::empty()) {
            Err(Errno::EINTR) => {}
            // No process is left that could send one.
            Ok(0) | Err(_) => {
                said.extend_from_slice(b"\nError: The server has ended before it was up.\n");
                break 1;
            }
            Ok(length) => match &message[..length] {
                [UP] => return 0,
                // One that was told to end is not up either.
                [FAILED, code] => break (*code).max(1),
                [_, text @ ..] => said.extend_from_slice(text),
                [] => {}
            },
        }
    };
    // If it cannot be printed, the exit code must be enough.
    let _ = io::stderr().write_all(&said);
    code
}
