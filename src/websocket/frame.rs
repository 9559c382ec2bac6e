//! The head of a frame (RFC 6455 section 5.2), and its mask.

use super::error::Violation;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Opcode {
    fn new(value: u8) -> Option<Opcode> {
        Some(match value {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return None,
        })
    }

    pub fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

/// The head of a client's frame.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub is_final: bool,
    /// The first reserved bit: the message is compressed, if compression was
    /// agreed.
    pub compressed: bool,
    pub opcode: Opcode,
    pub length: u64,
    pub mask: Mask,
}

/// The longest head: two bytes, eight for the length, four for the mask.
pub(super) const LONGEST_HEAD: usize = 14;

impl Received {
    /// Reads a head from the front of `bytes`. Gives it with its length, or
    /// nothing while it is incomplete. An error is given as soon as it is seen.
    pub fn parse(bytes: &[u8], compression: bool) -> Result<Option<(Received, usize)>, Violation> {
        use Violation::Protocol;
        let Some(&first) = bytes.first() else {
            return Ok(None);
        };
        let compressed = first & 0x40 != 0;
        if first & 0x30 != 0 || (compressed && !compression) {
            return Err(Protocol("a reserved bit is set"));
        }
        let is_final = first & 0x80 != 0;
        let opcode = Opcode::new(first & 0x0f).ok_or(Protocol("a reserved opcode"))?;
        if opcode.is_control() && !is_final {
            return Err(Protocol("a control frame in fragments"));
        }
        if compressed && !matches!(opcode, Opcode::Text | Opcode::Binary) {
            return Err(Protocol("a reserved bit is set"));
        }
        let Some(&second) = bytes.get(1) else {
            return Ok(None);
        };
        if second & 0x80 == 0 {
            return Err(Protocol("a frame of a client without a mask"));
        }
        let short = second & 0x7f;
        if opcode.is_control() && short > 125 {
            return Err(Protocol("a control frame of more than 125 bytes"));
        }
        let width = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let Some(extended) = bytes.get(2..2 + width) else {
            return Ok(None);
        };
        let extended = extended
            .iter()
            .fold(0, |length, &byte| length << 8 | u64::from(byte));
        let length = match short {
            126 if extended < 126 => return Err(Protocol("a length that is not minimal")),
            127 if extended <= 0xffff => return Err(Protocol("a length that is not minimal")),
            127 if extended >> 63 != 0 => return Err(Protocol("a length of more than 63 bits")),
            126 | 127 => extended,
            short => u64::from(short),
        };
        let Some(mask) = bytes.get(2 + width..6 + width) else {
            return Ok(None);
        };
        let head = Received {
            is_final,
            compressed,
            opcode,
            length,
            mask: Mask(mask.try_into().expect("four bytes")),
        };
        Ok(Some((head, 6 + width)))
    }
}

/// A client's masking key, rotated to the next byte.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mask([u8; 4]);

impl Mask {
    /// Unmasks the next bytes of the payload in place (RFC 6455 section 5.3).
    pub fn apply(&mut self, bytes: &mut [u8]) {
        let wide: [u8; 16] = std::array::from_fn(|place| self.0[place % 4]);
        let mut blocks = bytes.chunks_exact_mut(16);
        for block in &mut blocks {
            for (byte, key) in block.iter_mut().zip(wide) {
                *byte ^= key;
            }
        }
        for (byte, key) in blocks.into_remainder().iter_mut().zip(wide) {
            *byte ^= key;
        }
        self.0.rotate_left(bytes.len() % 4);
    }
}

/// The head of a server's frame, which has no mask.
#[derive(Clone, Copy, Debug)]
pub struct FrameHead {
    bytes: [u8; 10],
    size: u8,
}

impl FrameHead {
    /// The head of a frame with a whole message, or of a control frame.
    pub(super) fn new(opcode: Opcode, compressed: bool, length: usize) -> FrameHead {
        let mut bytes = [0; 10];
        bytes[0] = 0x80 | if compressed { 0x40 } else { 0 } | opcode as u8;
        let size = match length {
            0..=125 => {
                bytes[1] = length as u8;
                2
            }
            126..=0xffff => {
                bytes[1] = 126;
                bytes[2..4].copy_from_slice(&(length as u16).to_be_bytes());
                4
            }
            _ => {
                bytes[1] = 127;
                bytes[2..].copy_from_slice(&(length as u64).to_be_bytes());
                10
            }
        };
        FrameHead { bytes, size }
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.size)]
    }
}
