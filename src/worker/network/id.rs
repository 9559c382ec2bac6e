//! Names of connections.

/// A connection's place in the worker's table, and how many had it before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id {
    pub place: u32,
    pub generation: u32,
}

impl Id {
    pub fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.place)
    }

    pub fn from_bits(bits: u64) -> Id {
        Id {
            place: bits as u32,
            generation: (bits >> 32) as u32,
        }
    }
}
