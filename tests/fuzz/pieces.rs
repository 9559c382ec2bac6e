//! The form of an input: two bytes with choices, then the bytes under test.

/// The choices in the first two bytes of an input.
#[derive(Clone, Copy)]
pub struct Choices {
    /// One bit for each setting of a target.
    pub settings: u8,
    /// How the bytes are cut.
    cut: u8,
}

impl Choices {
    /// No setting is on.
    pub const NONE: Choices = Choices {
        settings: 0,
        cut: 0,
    };

    /// Separates them from an input.
    pub fn split(input: &[u8]) -> Option<(Choices, &[u8])> {
        let (&[settings, cut], bytes) = input.split_first_chunk()?;
        Some((Choices { settings, cut }, bytes))
    }

    /// Whether the setting of this bit is on.
    pub fn has(self, bit: u8) -> bool {
        self.settings & (1 << bit) != 0
    }

    /// Cuts the bytes into pieces as a network might deliver them: single bytes, up to
    /// 64 bytes, or a few large pieces.
    pub fn pieces(self, mut bytes: &[u8]) -> Vec<&[u8]> {
        let longest = match self.cut % 4 {
            0 => 1,
            1 => 5,
            2 => 64,
            _ => 4096,
        };
        let mut state = u32::from(self.cut) + 1;
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let length = 1 + (state >> 16) as usize % longest;
            let (piece, rest) = bytes.split_at(length.min(bytes.len()));
            pieces.push(piece);
            bytes = rest;
        }
        pieces
    }
}
