//! A connection to a server's control socket.

use std::io;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::control::{self, Reply, Request};

/// How long the server may take for what it has at hand.
pub const SOON: Duration = Duration::from_secs(10);

/// A connection.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    /// The id of the last request.
    last: u64,
}

impl Client {
    pub fn new(stream: UnixStream) -> Self {
        Self { stream, last: 0 }
    }

    /// Sends a command, and waits for its data, at most for this time.
    ///
    /// # Errors
    /// One sentence: the server refuses the command, or does not answer.
    pub fn ask(&mut self, command: &str, args: &[&str], longest: Duration) -> Result<Value> {
        self.last += 1;
        let request = Request::new(self.last, command, args.iter().copied());
        let lost = "The connection to the server is lost";
        self.stream.set_read_timeout(Some(longest)).context(lost)?;
        control::write(&mut self.stream, &request).context(lost)?;
        loop {
            let reply: Reply = match control::read(&mut self.stream) {
                Ok(Some(reply)) => reply,
                Ok(None) => bail!("The server has closed the connection; it may have ended"),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    bail!("The server has not answered within {} s", longest.as_secs())
                }
                Err(error) => return Err(error).context(lost),
            };
            // An earlier request may have got no answer in time.
            if reply.id == self.last {
                return reply.result.map_err(anyhow::Error::msg);
            }
        }
    }

    /// The same, as a value of this type.
    ///
    /// # Errors
    /// As above; or the server is of another version.
    pub fn ask_for<T: DeserializeOwned>(&mut self, command: &str, longest: Duration) -> Result<T> {
        let data = self.ask(command, &[], longest)?;
        serde_json::from_value(data)
            .context("The server says what this program does not understand; take its own version")
    }
}
