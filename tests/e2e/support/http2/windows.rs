//! Flow control (RFC 9113, section 5.2) in one direction.

use std::collections::BTreeMap;

use super::frame::INITIAL_WINDOW;

/// How many bytes of DATA one side may still send.
pub struct Windows {
    connection: i64,
    /// The window with which a stream starts.
    initial: i64,
    /// Those of streams that have sent or got something.
    streams: BTreeMap<u32, i64>,
}

impl Windows {
    pub fn new() -> Self {
        Self {
            connection: INITIAL_WINDOW as i64,
            initial: INITIAL_WINDOW as i64,
            streams: BTreeMap::new(),
        }
    }

    /// WINDOW_UPDATE; stream 0 is the connection.
    pub fn give(&mut self, stream: u32, size: u32) {
        *self.window(stream) += i64::from(size);
    }

    /// SETTINGS_INITIAL_WINDOW_SIZE. It changes the windows of all streams, which can
    /// become negative (section 6.9.2).
    pub fn set_initial(&mut self, size: u32) {
        let size = i64::from(size);
        for window in self.streams.values_mut() {
            *window += size - self.initial;
        }
        self.initial = size;
    }

    /// DATA with this many bytes.
    pub fn take(&mut self, stream: u32, size: usize) {
        self.connection -= size as i64;
        *self.window(stream) -= size as i64;
    }

    /// How much to give back once half of a window is used up; nothing before.
    pub fn due(&mut self, stream: u32) -> Option<u32> {
        let whole = if stream == 0 {
            INITIAL_WINDOW as i64
        } else {
            self.initial
        };
        let used = whole - *self.window(stream);
        let is_due = used > 0 && used * 2 >= whole;
        is_due.then(|| u32::try_from(used).unwrap())
    }

    /// How many bytes may be sent on the stream.
    pub fn left(&mut self, stream: u32) -> i64 {
        self.connection.min(*self.window(stream))
    }

    fn window(&mut self, stream: u32) -> &mut i64 {
        match stream {
            0 => &mut self.connection,
            _ => self.streams.entry(stream).or_insert(self.initial),
        }
    }
}
