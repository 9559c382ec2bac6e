//! How an input is read: two bytes that choose, then the bytes under test.

/// What the first two bytes of an input choose.
#[derive(Clone, Copy)]
pub struct Choices {
    /// A bit for each setting that a target can turn.
    pub settings: u8,
    /// How the bytes are cut.
    cut: u8,
}

impl Choices {
    /// Splits them off an input.
    pub fn split(input: &[u8]) -> Option<(Choices, &[u8])> {
        let (&[settings, cut], bytes) = input.split_first_chunk()?;
        Some((Choices { settings, cut }, bytes))
    }

    /// True if the setting of this bit is on.
    pub fn has(self, bit: u8) -> bool {
        self.settings & (1 << bit) != 0
    }

    /// The bytes in pieces as a network might deliver them: one by one, or of
    /// up to 64 bytes, or a few large ones.
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
