//! From the bytes of field blocks to fields.

use super::huffman;
use super::tables::{Field, Table};

/// The state of one direction of a connection.
pub struct Decoder {
    table: Table,
    /// The largest size of the table that we allow (SETTINGS_HEADER_TABLE_SIZE).
    allowed: usize,
    /// Whether the next block must begin with a smaller size (section 4.2).
    must_shrink: bool,
}

impl Decoder {
    pub fn new(allowed: usize) -> Self {
        Self {
            table: Table::new(allowed),
            allowed,
            must_shrink: false,
        }
    }

    /// Allows another size of the table, which the other side has acknowledged.
    pub fn allow(&mut self, size: usize) {
        self.must_shrink |= size < self.allowed;
        self.allowed = size;
    }

    /// The fields of a whole block (RFC 7541, section 6).
    pub fn decode(&mut self, block: &[u8]) -> Result<Vec<Field>, String> {
        let mut rest = block;
        let mut fields = Vec::new();
        while let Some(&first) = rest.first() {
            if self.must_shrink && !(0x20..0x40).contains(&first) {
                return Err("the table must become smaller first".into());
            }
            match first {
                0x80.. => {
                    let index = integer(&mut rest, 7)?;
                    fields.push(self.table.get(index)?);
                }
                0x40..0x80 => {
                    let field = self.literal(&mut rest, 6)?;
                    self.table.add(field.clone());
                    fields.push(field);
                }
                0x20..0x40 => {
                    let size = integer(&mut rest, 5)?;
                    if size > self.allowed || !fields.is_empty() {
                        return Err(format!("a misplaced size of the table: {size}"));
                    }
                    self.table.set_limit(size);
                    self.must_shrink = false;
                }
                _ => fields.push(self.literal(&mut rest, 4)?),
            }
        }
        Ok(fields)
    }

    /// The size of the dynamic table, in bytes as section 4.1 counts them.
    pub fn table_size(&self) -> usize {
        self.table.size()
    }

    fn literal(&self, rest: &mut &[u8], prefix: u32) -> Result<Field, String> {
        let name = match integer(rest, prefix)? {
            0 => string(rest)?,
            index => self.table.get(index)?.0,
        };
        Ok((name, string(rest)?))
    }
}

/// An integer whose first byte has `prefix` bits of it (section 5.1).
fn integer(rest: &mut &[u8], prefix: u32) -> Result<usize, String> {
    let mask = (1 << prefix) - 1;
    let mut value = usize::from(byte(rest)?) & mask;
    if value < mask {
        return Ok(value);
    }
    for shift in (0..35).step_by(7) {
        let next = usize::from(byte(rest)?);
        value += (next & 0x7f) << shift;
        if next & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("an integer is too long".into())
}

/// A string (section 5.2).
fn string(rest: &mut &[u8]) -> Result<Vec<u8>, String> {
    let is_coded = rest.first().is_some_and(|first| first & 0x80 != 0);
    let length = integer(rest, 7)?;
    let (text, after) = rest.split_at_checked(length).ok_or("a string is cut off")?;
    *rest = after;
    if is_coded {
        huffman::decode(text)
    } else {
        Ok(text.to_vec())
    }
}

fn byte(rest: &mut &[u8]) -> Result<u8, String> {
    let (&first, after) = rest.split_first().ok_or("a block is cut off")?;
    *rest = after;
    Ok(first)
}
