//! Frames: from bytes to messages, and back.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest frame in bytes, as in Gunicorn.
const LONGEST: usize = 16 << 20;

/// The longest frame of a command in bytes. No command needs more.
const LONGEST_COMMAND: usize = 64 << 10;

/// Bytes that were received, which become frames.
#[derive(Debug)]
pub struct Frames {
    bytes: Vec<u8>,
    longest: usize,
}

/// Why bytes are no frame. Nothing more can be read after that.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("a message of {0} bytes is too long")]
    TooLong(usize),
    #[error("a message is not what was expected: {0}")]
    Json(#[from] serde_json::Error),
}

impl Frames {
    /// For replies, which may be long.
    pub fn of_replies() -> Self {
        Self::up_to(LONGEST)
    }

    /// For commands, which anybody may have sent.
    pub fn of_commands() -> Self {
        Self::up_to(LONGEST_COMMAND)
    }

    fn up_to(longest: usize) -> Self {
        Self {
            bytes: Vec::new(),
            longest,
        }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Takes the next message, if all of it was received.
    ///
    /// # Errors
    /// The frame is too long, or is not such a message.
    pub fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let Some((length, rest)) = self.bytes.split_first_chunk() else {
            return Ok(None);
        };
        let length = checked(*length, self.longest)?;
        let Some(text) = rest.get(..length) else {
            return Ok(None);
        };
        let message = serde_json::from_slice(text)?;
        self.bytes.drain(..size_of::<u32>() + length);
        Ok(Some(message))
    }
}

/// A message as a frame.
///
/// # Errors
/// The message is too long.
pub fn frame(message: &impl Serialize) -> Result<Vec<u8>, FrameError> {
    let mut bytes = vec![0; size_of::<u32>()];
    serde_json::to_writer(&mut bytes, message)?;
    let length = bytes.len() - size_of::<u32>();
    if length > LONGEST {
        return Err(FrameError::TooLong(length));
    }
    bytes[..size_of::<u32>()].copy_from_slice(&(length as u32).to_be_bytes());
    Ok(bytes)
}

/// Waits for the next message; nothing if the other side has closed the
/// connection before it.
///
/// # Errors
/// That of `from`, or the frame is wrong.
pub fn read<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<T>> {
    let mut length = [0; size_of::<u32>()];
    if let Err(error) = from.read_exact(&mut length) {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof => Ok(None),
            _ => Err(error),
        };
    }
    let mut text = vec![0; checked(length, LONGEST).map_err(io::Error::other)?];
    from.read_exact(&mut text)?;
    Ok(Some(serde_json::from_slice(&text)?))
}

/// Writes a message.
///
/// # Errors
/// That of `into`, or the message is too long.
pub fn write(into: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    into.write_all(&frame(message).map_err(io::Error::other)?)
}

fn checked(length: [u8; 4], longest: usize) -> Result<usize, FrameError> {
    let length = u32::from_be_bytes(length) as usize;
    match length <= longest {
        true => Ok(length),
        false => Err(FrameError::TooLong(length)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Reply, Request};
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn messages_go_through_frames() {
        let request = Request::new(7, "show", ["workers"]);
        let bytes = frame(&request).unwrap();
        assert_eq!(bytes[..4], (bytes.len() as u32 - 4).to_be_bytes());
        let mut frames = Frames::of_commands();
        for byte in &bytes {
            assert_eq!(frames.next::<Request>().unwrap(), None);
            frames.push(&[*byte]);
        }
        frames.push(&bytes);
        assert_eq!(frames.next().unwrap(), Some(request.clone()));
        assert_eq!(frames.next().unwrap(), Some(request));
        assert_eq!(frames.next::<Request>().unwrap(), None);
        assert_eq!(read::<Value>(&mut &bytes[..]).unwrap().unwrap()["id"], 7);
        assert_eq!(read::<Value>(&mut &b""[..]).unwrap(), None);
    }

    #[test]
    fn replies_are_data_or_an_error() {
        let reply = serde_json::to_value(Reply {
            id: 1.into(),
            result: Ok(json!({"a": 1})),
        })
        .unwrap();
        assert_eq!(reply, json!({"id": 1, "status": "ok", "data": {"a": 1}}));
        let reply = serde_json::to_value(Reply::error(2, "no")).unwrap();
        assert_eq!(reply, json!({"id": 2, "status": "error", "error": "no"}));
        let result = serde_json::from_value::<Reply>(reply).unwrap().result;
        assert_eq!(result, Err("no".to_owned()));
    }

    #[test]
    fn wrong_frames_are_refused() {
        let mut frames = Frames::of_commands();
        frames.push(&[0xff; 4]);
        assert!(frames.next::<Value>().is_err());
        let mut frames = Frames::of_commands();
        frames.push(b"\0\0\0\x02{x");
        assert!(frames.next::<Value>().is_err());
        assert!(read::<Value>(&mut &[0xff; 8][..]).is_err());
    }
}
