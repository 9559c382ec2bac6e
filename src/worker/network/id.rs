//! The ids of connections.

/// A connection's index in the reactor's table, and how many connections had
/// this index before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId {
    pub index: u32,
    pub generation: u32,
}

impl ConnectionId {
    pub fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    pub fn from_bits(bits: u64) -> ConnectionId {
        ConnectionId {
            index: bits as u32,
            generation: (bits >> 32) as u32,
        }
    }
}
