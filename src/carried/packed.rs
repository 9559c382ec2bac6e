//! A byte in the executable that says whether a site was packed into it. With it, an
//! executable whose site was cut off, for example by `strip`, can say so.

use std::hint::black_box;

/// The bytes before that byte. They occur once in the file.
const BEGIN: [u8; 24] = *b"\xf1rgunicorn:packed-site:\xf2";

#[repr(C)]
struct Word {
    begin: [u8; BEGIN.len()],
    is_packed: u8,
}

#[used]
static WORD: Word = Word {
    begin: BEGIN,
    is_packed: 0,
};

/// Whether a site was packed into the file that this process was started from.
pub fn is_packed() -> bool {
    // Else the compiler would use the 0 above.
    black_box(&WORD).is_packed != 0
}

/// Whether these are the bytes of such an executable.
pub fn is_ours(executable: &[u8]) -> bool {
    place(executable).is_some()
}

/// Writes into the bytes of such an executable whether it has a site. False if they are
/// not from such an executable.
pub fn mark(executable: &mut [u8], is_packed: bool) -> bool {
    let Some(place) = place(executable) else {
        return false;
    };
    executable[place] = is_packed.into();
    true
}

fn place(executable: &[u8]) -> Option<usize> {
    let begin = &black_box(&WORD).begin;
    let mut places = memchr::memmem::find_iter(executable, begin);
    let place = places.next()?;
    places.next().is_none().then_some(place + begin.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_in_the_file_once() {
        let path = std::env::current_exe().expect("a path");
        let mut bytes = std::fs::read(path).expect("a file");
        let before = bytes.clone();
        assert!(!is_packed());
        assert!(mark(&mut bytes, true));
        let differ = bytes.iter().zip(&before).filter(|(new, old)| new != old);
        assert_eq!(differ.count(), 1);
        assert!(mark(&mut bytes, false));
        assert!(bytes == before);
        assert!(!mark(&mut bytes[..100], true));
    }
}
