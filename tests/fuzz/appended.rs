//! Executables followed by a zip: the zip that is found begins where the program ends,
//! and other readers take it for a zip, too.

use std::io::Cursor;

use crate::packed::{AppendedFault, end_of_program, is_followed_by_zip};

pub fn check(input: &[u8]) {
    let Ok(Some(start)) = locate(input) else {
        return;
    };
    let end = end_of_program(&mut Cursor::new(input));
    let end = end.expect("it was found").expect("it is a program");
    assert_eq!(end.program, start);
    assert_eq!(end.file, input.len() as u64);
    assert!(end.program < end.file);
    let rest = &input[usize::try_from(start).expect("it is in the input")..];
    // The end record is at the very end of the file.
    assert_eq!(rest[rest.len() - 22..][..4], *b"PK\x05\x06");
    // Neither fewer nor more bytes are accepted.
    assert!(locate(&input[..input.len() - 1]).is_err());
    assert!(locate(&[input, b"\0"].concat()).is_err());
}

/// Where the zip behind the program begins.
fn locate(input: &[u8]) -> Result<Option<u64>, AppendedFault> {
    let mut file = Cursor::new(input);
    let Some(end) = end_of_program(&mut file)? else {
        return Ok(None);
    };
    Ok(is_followed_by_zip(&mut file, end)?.then_some(end.program))
}
