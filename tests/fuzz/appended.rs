//! Executables with a zip behind them: what is found begins where the program ends,
//! and is a zip to another reader, too.

use std::io::Cursor;

use crate::packed::{end_of_program, locate};

pub fn check(input: &[u8]) {
    let end = end_of_program(&mut Cursor::new(input));
    let found = locate(&mut Cursor::new(input));
    let Ok(Some(start)) = found else {
        return;
    };
    let end = end.expect("it was found").expect("it is a program");
    assert_eq!(end.program, start);
    assert_eq!(end.file, input.len() as u64);
    assert!(!end.is_bare());
    let rest = &input[usize::try_from(start).expect("it is in the input")..];
    // The end record is the last of the file.
    assert_eq!(rest[rest.len() - 22..][..4], *b"PK\x05\x06");
    // Less is not whole, and more is not, either.
    assert!(locate(&mut Cursor::new(&input[..input.len() - 1])).is_err());
    assert!(locate(&mut Cursor::new([input, b"\0"].concat())).is_err());
}
