//! The cases of the Autobahn test suite for servers that echo, by its numbers:
//! what a client sends, and what it must get back.

use super::frames::{close, frame, ping, pong, text};

pub struct Case {
    pub id: String,
    /// Sent in this order. The borders between the pieces do not matter.
    pub sent: Vec<Vec<u8>>,
    /// The first byte and the payload of each frame of the server. Of a close
    /// frame after an error, only the code counts.
    pub answers: Vec<(u8, Vec<u8>)>,
}

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const PONG: u8 = 0x8a;
const CLOSE: u8 = 0x88;

/// The server's frames at the end of a case without an error.
fn closed() -> (u8, Vec<u8>) {
    (CLOSE, 1000u16.to_be_bytes().to_vec())
}

fn fails(code: u16) -> (u8, Vec<u8>) {
    (CLOSE, code.to_be_bytes().to_vec())
}

struct Cases(Vec<Case>);

impl Cases {
    /// A case that ends with the client's close.
    fn good(&mut self, id: &str, sent: &[Vec<u8>], answers: &[(u8, &[u8])]) {
        let mut sent = sent.to_vec();
        sent.push(close(1000, b""));
        let mut answers: Vec<_> = answers.iter().map(|(f, p)| (*f, p.to_vec())).collect();
        answers.push(closed());
        self.add(id, sent, answers);
    }

    /// A case in which the server fails the connection.
    fn bad(&mut self, id: &str, code: u16, sent: &[Vec<u8>], answers: &[(u8, &[u8])]) {
        let mut answers: Vec<_> = answers.iter().map(|(f, p)| (*f, p.to_vec())).collect();
        answers.push(fails(code));
        self.add(id, sent.to_vec(), answers);
    }

    fn add(&mut self, id: &str, sent: Vec<Vec<u8>>, answers: Vec<(u8, Vec<u8>)>) {
        let id = id.to_owned();
        self.0.push(Case { id, sent, answers });
    }
}

pub fn all() -> Vec<Case> {
    let mut cases = Cases(Vec::new());
    messages(&mut cases);
    pings(&mut cases);
    reserved(&mut cases);
    fragments(&mut cases);
    utf8(&mut cases);
    closing(&mut cases);
    limits(&mut cases);
    malformed(&mut cases);
    cases.0
}

/// 1: messages of sizes around the borders of the length's forms.
fn messages(cases: &mut Cases) {
    for (number, size) in [0, 125, 126, 127, 128, 65535, 65536]
        .into_iter()
        .enumerate()
    {
        let stars = "*".repeat(size);
        cases.good(
            &format!("1.1.{}", number + 1),
            &[text(&stars)],
            &[(TEXT, stars.as_bytes())],
        );
        let bytes = vec![0xfe; size];
        cases.good(
            &format!("1.2.{}", number + 1),
            &[frame(BINARY, &bytes)],
            &[(BINARY, &bytes)],
        );
    }
}

/// 2: pings and pongs.
fn pings(cases: &mut Cases) {
    let binary = [0, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0, 0xff];
    let longest = [0xfe; 125];
    cases.good("2.1", &[ping(b"")], &[(PONG, b"")]);
    cases.good(
        "2.2",
        &[ping(b"Hello, world!")],
        &[(PONG, b"Hello, world!")],
    );
    cases.good("2.3", &[ping(&binary)], &[(PONG, &binary)]);
    cases.good("2.4", &[ping(&longest)], &[(PONG, &longest)]);
    cases.bad("2.5", 1002, &[ping(&[0xfe; 126])], &[]);
    cases.good("2.7", &[pong(b"")], &[]);
    cases.good("2.8", &[pong(b"unsolicited")], &[]);
    cases.good("2.9", &[pong(b"unsolicited"), ping(b"p")], &[(PONG, b"p")]);
    let pings: Vec<_> = (0..10).map(|i| ping(&[b'0' + i])).collect();
    let pongs: Vec<_> = (0..10).map(|i| [b'0' + i]).collect();
    let pongs: Vec<_> = pongs.iter().map(|p| (PONG, &p[..])).collect();
    cases.good("2.10", &pings, &pongs);
}

/// 3 and 4: reserved bits and opcodes.
fn reserved(cases: &mut Cases) {
    let hello = text("Hello");
    let echo: (u8, &[u8]) = (TEXT, b"Hello");
    for (number, bits) in (1..=7u8).enumerate() {
        let id = format!("3.{}", number + 1);
        cases.bad(
            &id,
            1002,
            &[hello.clone(), frame(TEXT | bits << 4, b"x")],
            &[echo],
        );
    }
    cases.bad("3 close", 1002, &[frame(CLOSE | 0x10, b"")], &[]);
    cases.bad("3 ping", 1002, &[frame(0x89 | 0x40, b"")], &[]);
    for (section, opcodes) in [("4.1", 3..=7u8), ("4.2", 11..=15)] {
        for (number, opcode) in opcodes.enumerate() {
            let sent = [hello.clone(), frame(0x80 | opcode, b"x"), ping(b"")];
            cases.bad(&format!("{section}.{}", number + 1), 1002, &sent, &[echo]);
        }
    }
}

/// 5: fragmentation.
fn fragments(cases: &mut Cases) {
    let first = frame(0x01, b"frag");
    let middle = frame(0x00, b"men");
    let last = frame(0x80, b"ted");
    let whole: (u8, &[u8]) = (TEXT, b"fragmented");
    cases.bad("5.1", 1002, &[frame(0x09, b"a"), frame(0x80, b"b")], &[]);
    cases.bad("5.2", 1002, &[frame(0x0a, b"a"), frame(0x80, b"b")], &[]);
    cases.bad(
        "5.2 close",
        1002,
        &[frame(0x08, b""), frame(0x80, b"")],
        &[],
    );
    let (a, b, c) = (first, middle, last);
    cases.good("5.3", &[a.clone(), b.clone(), c.clone()], &[whole]);
    let pinged = [a.clone(), ping(b"!"), b.clone(), ping(b"?"), c.clone()];
    cases.good("5.6", &pinged, &[(PONG, b"!"), (PONG, b"?"), whole]);
    let ponged = [a.clone(), pong(b"!"), b.clone(), c.clone()];
    cases.good("5.6 pong", &ponged, &[whole]);
    cases.bad(
        "5.9",
        1002,
        &[frame(0x80, b"non-continuation"), text("Hello")],
        &[],
    );
    cases.bad(
        "5.12",
        1002,
        &[frame(0x00, b"non-continuation"), text("Hello")],
        &[],
    );
    let again = [a.clone(), b.clone(), c.clone(), frame(0x80, b"x")];
    cases.bad("5.15", 1002, &again, &[whole]);
    cases.bad("5.18", 1002, &[a.clone(), text("fragment2")], &[]);
    cases.bad("5.18 binary", 1002, &[a, frame(BINARY, b"x")], &[]);
    let empty = [frame(0x01, b""), frame(0x00, b""), frame(0x80, b"")];
    cases.good("6.1.2", &empty, &[(TEXT, b"")]);
    let almost = [frame(0x01, b""), frame(0x00, b"middle"), frame(0x80, b"")];
    cases.good("6.1.3", &almost, &[(TEXT, b"middle")]);
    let binary = [frame(0x02, &[0xff]), frame(0x80, &[0xfe])];
    cases.good("5 binary", &binary, &[(BINARY, &[0xff, 0xfe])]);
    let many: Vec<_> = (0..1000).map(|_| frame(0x00, b"ab")).collect();
    let all = [&[frame(0x01, b"")], &many[..], &[frame(0x80, b"")]].concat();
    cases.good("10.1", &all, &[(TEXT, "ab".repeat(1000).as_bytes())]);
}

/// 6: text must be UTF-8, in any pieces.
fn utf8(cases: &mut Cases) {
    let good: [&[u8]; 17] = [
        "Hello-\u{b5}@\u{df}\u{f6}\u{e4}\u{fc}\u{e0}\u{e1}-UTF-8!!".as_bytes(),
        "\u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5}".as_bytes(),
        b"\0",
        b"\xc2\x80",
        b"\xe0\xa0\x80",
        b"\xf0\x90\x80\x80",
        b"\x7f",
        b"\xdf\xbf",
        b"\xef\xbf\xbf",
        b"\xf4\x8f\xbf\xbf",
        b"\xed\x9f\xbf",
        b"\xee\x80\x80",
        b"\xef\xbf\xbd",
        b"\xef\xbf\xbe",
        b"\xf0\x9f\xbf\xbf",
        b"\xf3\xbf\xbf\xbe",
        "\u{2000}\u{d7ff}\u{e000}\u{10fffd}".as_bytes(),
    ];
    for (number, payload) in good.iter().enumerate() {
        let answer = [(TEXT, *payload)];
        cases.good(&format!("6.2.{number}"), &[frame(TEXT, payload)], &answer);
        // A fragment for each byte.
        let mut pieces: Vec<_> = payload.iter().map(|byte| frame(0x00, &[*byte])).collect();
        pieces.insert(0, frame(0x01, b""));
        pieces.push(frame(0x80, b""));
        cases.good(&format!("6.2.{number} bytewise"), &pieces, &answer);
    }
    let bad: [&[u8]; 24] = [
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
        b"\xf8\x88\x80\x80\x80",
        b"\xfc\x84\x80\x80\x80\x80",
        b"\xf7\xbf\xbf\xbf",
        b"\xf4\x90\x80\x80",
        b"\x80",
        b"\xbf",
        b"\x80\xbf\x80",
        b"\xc0 \xc1 ",
        b"\xe0 ",
        b"\xf0 ",
        b"\xc0",
        b"\xe0\x80",
        b"\xf0\x80\x80",
        b"\xfe",
        b"\xff",
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xf0\x80\x80\xaf",
        b"\xc1\xbf",
        b"\xe0\x9f\xbf",
        b"\xed\xa0\x80",
        b"\xed\xaf\xbf\xed\xb0\x80",
        // Ends in the middle of a character.
        b"\xce\xba\xe1\xbd",
    ];
    for (number, payload) in bad.iter().enumerate() {
        cases.bad(&format!("6.6.{number}"), 1007, &[frame(TEXT, payload)], &[]);
        let halves = payload.split_at(payload.len() / 2);
        let halves = [frame(0x01, halves.0), frame(0x80, halves.1)];
        cases.bad(&format!("6.6.{number} halves"), 1007, &halves, &[]);
    }
    // The error comes at once, before the message or even the frame has ended.
    let wrong = b"\xce\xba\xe1\xbd\xb9\xf4\x90";
    cases.bad("6.4.1", 1007, &[frame(0x01, wrong)], &[]);
    let mut cut = frame(0x81, &[&wrong[..], &[b'x'; 100]].concat());
    cut.truncate(6 + wrong.len());
    cases.bad("6.4.3", 1007, &[cut], &[]);
}

/// 7: closing.
fn closing(cases: &mut Cases) {
    let echo: (u8, &[u8]) = (TEXT, b"Hello World!");
    cases.good("7.1.1", &[text("Hello World!")], &[echo]);
    // Bytes after the close are ignored.
    for (id, after) in [
        ("7.1.2", close(1000, b"")),
        ("7.1.3", ping(b"")),
        ("7.1.4", text("Hello")),
        ("7.1.5", frame(0x80, b"x")),
        ("7.1.6", frame(0xf3, b"x")),
    ] {
        cases.add(id, vec![close(1000, b""), after], vec![closed()]);
    }
    cases.add("7.3.1", vec![frame(CLOSE, b"")], vec![(CLOSE, Vec::new())]);
    cases.bad("7.3.2", 1002, &[frame(CLOSE, b"a")], &[]);
    cases.add("7.3.3", vec![close(1000, b"")], vec![closed()]);
    cases.add("7.3.4", vec![close(1000, b"Hello World!")], vec![closed()]);
    cases.add("7.3.5", vec![close(1000, &[b'*'; 123])], vec![closed()]);
    cases.bad("7.3.6", 1002, &[close(1000, &[b'*'; 124])], &[]);
    cases.bad("7.5.1", 1007, &[close(1000, b"\xce\xba\xed\xa0\x80")], &[]);
    let good = [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000,
        4999,
    ];
    for code in good {
        let answer = (CLOSE, u16::to_be_bytes(code).to_vec());
        cases.add(&format!("7.7 {code}"), vec![close(code, b"")], vec![answer]);
    }
    let bad = [
        0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535,
    ];
    for code in bad {
        cases.bad(&format!("7.9 {code}"), 1002, &[close(code, b"")], &[]);
        let with_reason = [close(code, b"reason")];
        cases.bad(&format!("7.9 {code} reason"), 1002, &with_reason, &[]);
    }
}

/// 9: large messages, in one frame and in fragments. (Other tests check the
/// limit.)
fn limits(cases: &mut Cases) {
    for size in [64 << 10, 256 << 10, 1 << 20, 4 << 20] {
        let stars = "*".repeat(size);
        let answer = [(TEXT, stars.as_bytes())];
        cases.good(&format!("9.1 {size}"), &[text(&stars)], &answer);
        let bytes: Vec<u8> = (0..size).map(|i| (i * 7 + i / 256) as u8).collect();
        cases.good(
            &format!("9.2 {size}"),
            &[frame(BINARY, &bytes)],
            &[(BINARY, &bytes)],
        );
        if size <= 1 << 20 {
            let mut pieces: Vec<_> = stars
                .as_bytes()
                .chunks(4096)
                .map(|piece| frame(0x00, piece))
                .collect();
            pieces[0][0] = 0x01;
            pieces.push(frame(0x80, b""));
            cases.good(&format!("9.3 {size}"), &pieces, &answer);
        }
    }
}

/// Not in the suite: lengths that are not minimal or too large, no mask.
fn malformed(cases: &mut Cases) {
    let mask = [0; 4];
    let long = |length: &[u8]| [&[0x82], length, &mask[..], b"abcd"].concat();
    cases.bad("16 bits for 4", 1002, &[long(&[0xfe, 0, 4])], &[]);
    cases.bad(
        "64 bits for 4",
        1002,
        &[long(&[0xff, 0, 0, 0, 0, 0, 0, 0, 4])],
        &[],
    );
    cases.bad("64 bits", 1002, &[long(&[0xff; 9])], &[]);
    cases.bad("no mask", 1002, &[vec![0x81, 1, b'a']], &[]);
    cases.bad("no mask, empty", 1002, &[vec![0x81, 0]], &[]);
}
