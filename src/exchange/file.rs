//! Files as answers: what can be known of a file before it is sent.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// A size up to this is not believed: the files of `/proc` and `/sys` say 0 or
/// the size of a page, whatever they hold. (A page has 64 KiB on some machines.)
const BELIEVED_FROM: u64 = 64 << 10;

/// What there is of a regular file from some place on.
#[derive(Debug, PartialEq, Eq)]
pub enum Rest {
    /// All of it: it is so little that it was read.
    Read(Vec<u8>),
    /// So many bytes, which are still to be read.
    Stated(u64),
    /// More than the file says, and more than was to be read.
    Unknown,
}

/// The rest of a regular file that says it has `size` bytes. Reads no more than
/// `most` of it, and leaves the descriptor where it stands.
///
/// # Errors
/// It cannot be read.
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
