//! Files as response bodies: how much of a file is there to be sent.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// A size up to this may be wrong: the files of `/proc` and `/sys` have the
/// size 0 or that of a page, whatever their content is. (A page has 64 KiB on
/// some machines.)
const BELIEVED_FROM: u64 = 64 << 10;

/// The rest of a regular file.
#[derive(Debug, PartialEq, Eq)]
pub enum Rest {
    /// All of the rest: it is small and was read.
    Read(Vec<u8>),
    /// The length of the rest in bytes. It is still to be read.
    Stated(u64),
    /// The rest is longer than the file's size says, and longer than may be
    /// read.
    Unknown,
}

/// The rest of a regular file from `offset`; `size` is the file's size as its
/// metadata has it. Reads at most `most` bytes. The file's own position does
/// not change.
///
/// # Errors
/// The file cannot be read.
pub fn rest_of(file: &File, size: u64, offset: u64, most: usize) -> io::Result<Rest> {
    if size > BELIEVED_FROM {
        return Ok(Rest::Stated(size.saturating_sub(offset)));
    }
    let mut bytes = Vec::new();
    let mut block = [0; 16 << 10];
    loop {
        match file.read_at(&mut block, offset + bytes.len() as u64) {
            Ok(0) => return Ok(Rest::Read(bytes)),
            Ok(length) if bytes.len() + length > most => return Ok(Rest::Unknown),
            Ok(length) => bytes.extend_from_slice(&block[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn rest(content: &[u8], offset: u64) -> Rest {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        rest_of(&file, content.len() as u64, offset, 100_000).unwrap()
    }

    #[test]
    fn what_is_small_is_read_and_what_is_large_is_believed() {
        assert_eq!(rest(b"", 0), Rest::Read(Vec::new()));
        assert_eq!(rest(b"hello", 0), Rest::Read(b"hello".to_vec()));
        assert_eq!(rest(b"hello", 3), Rest::Read(b"lo".to_vec()));
        assert_eq!(rest(b"hello", 9), Rest::Read(Vec::new()));
        let large = vec![b'x'; BELIEVED_FROM as usize + 1];
        assert_eq!(rest(&large[1..], 0), Rest::Read(large[1..].to_vec()));
        assert_eq!(rest(&large, 1), Rest::Stated(BELIEVED_FROM));
        assert_eq!(rest(&large, 1 << 40), Rest::Stated(0));
    }

    #[test]
    fn a_size_that_is_wrong_does_no_harm() {
        for path in ["/proc/self/cmdline", "/sys/devices/system/cpu/online"] {
            let file = File::open(path).unwrap();
            let size = file.metadata().unwrap().len();
            let content = std::fs::read(path).unwrap();
            assert_ne!(size, content.len() as u64, "{path}");
            assert_eq!(
                rest_of(&file, size, 0, 100_000).unwrap(),
                Rest::Read(content)
            );
        }
        let file = File::open("/dev/zero").unwrap();
        assert_eq!(rest_of(&file, 0, 0, 100_000).unwrap(), Rest::Unknown);
    }
}
