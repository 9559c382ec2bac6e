//! The pieces of field blocks (RFC 7541, section 6). Nothing here remembers anything: a test
//! that uses the server's table counts the indexes itself, and the newest field is 62.

use super::huffman;

/// What becomes of a field that is spelled out.
#[derive(Debug, Clone, Copy)]
pub enum Literal {
    /// It is added to the table (section 6.2.1).
    Added,
    /// It is not (section 6.2.2).
    NotAdded,
    /// Nobody who passes it on may add it, either (section 6.2.3).
    NeverAdded,
}

impl Literal {
    pub const ALL: [Self; 3] = [Self::Added, Self::NotAdded, Self::NeverAdded];

    /// The first bits, and how many bits of the first byte are left for an index.
    fn first(self) -> (u8, u32) {
        match self {
            Self::Added => (0x40, 6),
            Self::NotAdded => (0, 4),
            Self::NeverAdded => (0x10, 4),
        }
    }

    /// A field with a name that is spelled out.
    pub fn field(self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Vec<u8> {
        [self.index(0), string(name), string(value)].concat()
    }

    /// The same with Huffman codes.
    pub fn coded_field(self, name: &str, value: &str) -> Vec<u8> {
        [self.index(0), coded_string(name), coded_string(value)].concat()
    }

    /// The start of a field whose name is at this index; the string of the value follows.
    pub fn index(self, index: usize) -> Vec<u8> {
        let (bits, prefix) = self.first();
        integer(bits, prefix, index)
    }
}

/// A block of fields, each spelled out and not added.
pub fn block<N: AsRef<[u8]>, V: AsRef<[u8]>>(fields: &[(N, V)]) -> Vec<u8> {
    let pieces = fields.iter();
    pieces
        .flat_map(|(name, value)| Literal::NotAdded.field(name, value))
        .collect()
}

/// The field at this index of the tables (section 6.1).
pub fn indexed(index: usize) -> Vec<u8> {
    integer(0x80, 7, index)
}

/// A new size of the dynamic table (section 6.3).
pub fn table_size(size: usize) -> Vec<u8> {
    integer(0x20, 5, size)
}

/// A string as it is (section 5.2).
pub fn string(text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    [&integer(0, 7, text.len()), text].concat()
}

/// A string as Huffman code.
pub fn coded_string(text: impl AsRef<[u8]>) -> Vec<u8> {
    string_of_code(&huffman::encode(text.as_ref()))
}

/// A string of which this is said to be the Huffman code.
pub fn string_of_code(code: &[u8]) -> Vec<u8> {
    [&integer(0x80, 7, code.len()), code].concat()
}

/// An integer, of which `prefix` bits are in the first byte (section 5.1).
pub fn integer(bits: u8, prefix: u32, value: usize) -> Vec<u8> {
    let mask = (1 << prefix) - 1;
    if value < mask {
        return vec![bits | value as u8];
    }
    let mut bytes = vec![bits | mask as u8];
    let mut rest = value - mask;
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}
