//! Writes zips with any content, also wrong ones.

use std::fs;
use std::path::Path;

/// A stored entry; every field may be wrong.
#[derive(Clone)]
pub struct Raw {
    pub name: Vec<u8>,
    pub data: Vec<u8>,
    pub mode: u32,
    pub flags: u16,
    /// The system that it was made on (APPNOTE 4.4.2).
    pub system: u8,
    /// The extra field in the directory.
    pub extra: Vec<u8>,
    pub method: u16,
    pub crc: Option<u32>,
    pub size: Option<u32>,
    /// The offset of the entry as the directory gives it.
    pub offset: Option<u32>,
}

impl Raw {
    pub fn new(name: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            data: b"x = 1\n".to_vec(),
            mode: 0o100_644,
            flags: 1 << 11,
            system: 3,
            extra: Vec::new(),
            method: 0,
            crc: None,
            size: None,
            offset: None,
        }
    }
}

/// The layout of APPNOTE 4.3: local headers with data, directory, end record.
pub fn write_raw(path: &Path, entries: &[Raw]) {
    let mut body = Vec::new();
    let mut directory = Vec::new();
    for entry in entries {
        let start = entry.offset.unwrap_or(body.len() as u32);
        let crc = entry.crc.unwrap_or_else(|| crc32(&entry.data));
        let mut common = Vec::new();
        for field in [20, entry.flags, entry.method, 0, 0x21] {
            common.extend(u16::to_le_bytes(field));
        }
        let packed = entry.data.len() as u32;
        for field in [crc, packed, entry.size.unwrap_or(packed)] {
            common.extend(field.to_le_bytes());
        }
        common.extend((entry.name.len() as u16).to_le_bytes());
        body.extend(b"PK\x03\x04");
        body.extend(&common);
        body.extend([0, 0]);
        body.extend(&entry.name);
        body.extend(&entry.data);
        directory.extend(b"PK\x01\x02\x14");
        directory.push(entry.system);
        directory.extend(&common);
        directory.extend((entry.extra.len() as u16).to_le_bytes());
        directory.extend([0; 6]);
        directory.extend((entry.mode << 16).to_le_bytes());
        directory.extend(start.to_le_bytes());
        directory.extend(&entry.name);
        directory.extend(&entry.extra);
    }
    let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
    for _ in 0..2 {
        end.extend((entries.len() as u16).to_le_bytes());
    }
    end.extend((directory.len() as u32).to_le_bytes());
    end.extend((body.len() as u32).to_le_bytes());
    end.extend([0, 0]);
    fs::write(path, [body, directory, end].concat()).unwrap();
}

pub fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 * (crc & 1))
        })
    })
}
