//! The keys under which sockets are waited for.

/// What a socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// It listens at `status_bind`.
    StatusListener,
    /// It listens for commands; there may be two.
    ControlListener(u32),
    /// The channel of the worker with this process id.
    Worker(i32),
    /// A client, counted up from 0.
    Client(u32),
}

const KINDS: u64 = 32;

impl Key {
    pub fn number(self) -> u64 {
        let (kind, number) = match self {
            Self::StatusListener => (0, 0),
            Self::ControlListener(number) => (1, number),
            Self::Worker(pid) => (2, pid.cast_unsigned()),
            Self::Client(number) => (3, number),
        };
        kind << KINDS | u64::from(number)
    }

    pub fn from_number(number: u64) -> Self {
        let low = number as u32;
        match number >> KINDS {
            0 => Self::StatusListener,
            1 => Self::ControlListener(low),
            2 => Self::Worker(low.cast_signed()),
            _ => Self::Client(low),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_again() {
        let keys = [
            Key::StatusListener,
            Key::ControlListener(1),
            Key::Worker(i32::MAX),
            Key::Client(u32::MAX),
        ];
        for key in keys {
            assert_eq!(Key::from_number(key.number()), key);
        }
    }
}
