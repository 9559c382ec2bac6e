//! The way of the answers to the master.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::control::{self, Reply};
use crate::system::lock;

/// How long the master may take to read a reply. It has a thread for this.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Writes replies, from any thread.
#[derive(Clone)]
pub struct Replies(Arc<Mutex<UnixStream>>);

impl Replies {
    pub fn new(channel: UnixStream) -> io::Result<Replies> {
        channel.set_write_timeout(Some(TIMEOUT))?;
        Ok(Replies(Arc::new(Mutex::new(channel))))
    }

    /// Answers with data, or with the sentence that says why there are none.
    pub fn send<T: Serialize>(&self, id: &Value, result: Result<T, String>) {
        let data = result.and_then(|data| serde_json::to_value(data).map_err(|it| it.to_string()));
        let reply = Reply {
            id: id.clone(),
            result: data,
        };
        let mut channel = lock(&self.0);
        if let Err(error) = control::write(&mut *channel, &reply) {
            ::log::debug!("The master does not read this worker's reply: {error}");
            // A part of the reply may have been sent, so nothing can follow.
            let _ = channel.shutdown(Shutdown::Both);
        }
    }

    pub fn error(&self, id: &Value, error: &str) {
        self.send::<()>(id, Err(error.to_owned()));
    }
}
