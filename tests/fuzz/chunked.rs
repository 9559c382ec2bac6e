//! Request bodies: the result does not depend on how the bytes are cut; it is the same
//! as that of a second, slow parser; and every body is read back after it is encoded.

use crate::http::{BodyDecoder, BodyPiece, Error, Framing, Limits};
use crate::pieces::Choices;

pub fn check(input: &[u8]) {
    let Some((choices, bytes)) = Choices::split(input) else {
        return;
    };
    let limits = if choices.has(0) {
        Limits::new(0, 2, 30, 40)
    } else {
        Limits::default()
    };
    let framing = if choices.has(1) {
        Framing::Length(u64::from(choices.settings))
    } else {
        Framing::Chunked
    };
    let whole = decode(framing, &limits, &[bytes]);
    let cut = decode(framing, &limits, &choices.pieces(bytes));
    assert_eq!(whole, cut, "the cut of the bytes must not matter");
    assert!(whole.body.len() <= bytes.len());
    if framing == Framing::Chunked {
        assert!(whole.body.len() as u64 <= limits.body);
        if let Ok(true) = whole.end {
            assert_eq!(reread(bytes), Some((whole.body, whole.left)));
        }
    } else {
        assert!(whole.end.is_ok(), "a length cannot be wrong");
        assert_eq!([whole.body, whole.left].concat(), bytes);
    }
    let encoded = encode(&choices.pieces(bytes));
    let back = decode(
        Framing::Chunked,
        &Limits::default(),
        &choices.pieces(&encoded),
    );
    assert_eq!(
        (&*back.body, back.end, back.left.len()),
        (bytes, Ok(true), 0)
    );
}

#[derive(Debug, PartialEq, Eq)]
struct Decoded {
    body: Vec<u8>,
    trailers: Vec<(Vec<u8>, Vec<u8>)>,
    /// Whether the end was found, or the error.
    end: Result<bool, Error>,
    /// The bytes after the body.
    left: Vec<u8>,
}

fn decode(framing: Framing, limits: &Limits, pieces: &[&[u8]]) -> Decoded {
    let mut decoder = BodyDecoder::new(framing, limits);
    let mut decoded = Decoded {
        body: Vec::new(),
        trailers: Vec::new(),
        end: Ok(false),
        left: Vec::new(),
    };
    for piece in pieces {
        let mut input = *piece;
        loop {
            match decoder.next(&mut input) {
                Ok(BodyPiece::Data(data)) => {
                    assert!(!data.is_empty());
                    decoded.body.extend_from_slice(data);
                }
                Ok(BodyPiece::NeedMore) => {
                    assert!(input.is_empty());
                    break;
                }
                Ok(BodyPiece::End) => {
                    assert!(decoder.is_done());
                    decoded.left.extend_from_slice(input);
                    break;
                }
                Err(error) => {
                    decoded.end = Err(error);
                    return decoded;
                }
            }
        }
    }
    decoded.trailers = decoder.trailers().to_vec();
    decoded.end = Ok(decoder.is_done());
    decoded
}

/// The body and what follows it, by a parser that has all the bytes.
fn reread(bytes: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut lines = bytes;
    let mut body = Vec::new();
    loop {
        let line = line(&mut lines)?;
        let digits = line.split(|b| b" \t;".contains(b)).next()?;
        let size = u128::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        if size == 0 {
            break;
        }
        let (data, rest) = lines.split_at_checked(size.try_into().ok()?)?;
        body.extend_from_slice(data);
        lines = rest.strip_prefix(b"\r\n")?;
    }
    while !line(&mut lines)?.is_empty() {}
    Some((body, lines.to_vec()))
}

fn line<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let line = &bytes[..end];
    *bytes = &bytes[end + 2..];
    Some(line)
}

fn encode(chunks: &[&[u8]]) -> Vec<u8> {
    let mut text = Vec::new();
    for chunk in chunks {
        text.extend_from_slice(format!("{:X} ; a=\"\\\"\"\r\n", chunk.len()).as_bytes());
        text.extend_from_slice(chunk);
        text.extend_from_slice(b"\r\n");
        // The total size of extensions is limited.
        if text.len() > 4096 {
            let all = chunks.concat();
            return [
                format!("{:x}\r\n", all.len()).as_bytes(),
                &all,
                b"\r\n0\r\n\r\n",
            ]
            .concat();
        }
    }
    text.extend_from_slice(b"000\r\nX: y\r\n\r\n");
    text
}
