use super::*;

const LIMITS: FloodLimits = FloodLimits {
    resets: 3,
    control_frames: 5,
    field_bytes: 32_768,
};

const PRIORITY: u8 = 0x2;
const UNKNOWN: u8 = 0xbe;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let head = FrameHead {
        length: payload.len(),
        kind,
        flags,
        stream,
    };
    let mut bytes = Vec::new();
    head.write(&mut bytes);
    bytes.extend_from_slice(payload);
    bytes
}

fn reset(stream: u32) -> Vec<u8> {
    frame(kind::RST_STREAM, 0, stream, &[0; 4])
}

/// The preface and the first frame.
fn begin() -> Vec<u8> {
    [PREFACE, &frame(kind::SETTINGS, 0, 0, &[])].concat()
}

/// A scanner that has seen the preface and the first frame.
fn scanner(now: Instant) -> Scanner {
    let mut scanner = Scanner::new(LIMITS, now);
    scanner.received(&begin(), now).unwrap();
    scanner
}

/// How many of these frames are accepted on one connection, at most 100.
fn accepted(frame: &[u8]) -> (usize, Option<Abuse>) {
    let now = Instant::now();
    let mut scanner = scanner(now);
    for number in 0..100 {
        if let Err(abuse) = scanner.received(frame, now) {
            return (number, Some(abuse));
        }
    }
    (100, None)
}

#[test]
fn floods_are_noticed() {
    let now = Instant::now();
    let mut scanner = scanner(now);
    for stream in [1, 3, 5] {
        assert_eq!(scanner.received(&reset(stream), now), Ok(()));
    }
    assert_eq!(scanner.received(&reset(7), now), Err(Abuse::Resets(3)));
    let control_frames = (5, Some(Abuse::ControlFrames(5)));
    // The first reset of a stream has a use.
    let again = (6, Some(Abuse::ControlFrames(5)));
    assert_eq!(accepted(&reset(1)), again);
    for flood in [
        frame(kind::PING, 0, 0, &[0; 8]),
        frame(kind::PING, flag::ACK, 0, &[0; 8]),
        frame(kind::SETTINGS, 0, 0, &[]),
        frame(kind::SETTINGS, flag::ACK, 0, &[]),
        frame(PRIORITY, 0, 1, &[0; 5]),
        frame(kind::PRIORITY_UPDATE, 0, 0, b"\0\0\0\x01u=1"),
        frame(kind::WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]),
        frame(UNKNOWN, 0, 0, b"anything"),
        frame(kind::DATA, 0, 1, &[]),
        frame(kind::DATA, flag::PADDED, 1, &[0]),
        frame(kind::DATA, flag::PADDED, 1, &[3, 0, 0, 0]),
    ] {
        assert_eq!(accepted(&flood), control_frames, "{flood:?}");
    }
}

#[test]
fn useful_frames_are_not_counted() {
    for useful in [
        frame(kind::DATA, 0, 1, b"a"),
        frame(kind::DATA, flag::END_STREAM, 1, &[]),
        frame(kind::DATA, flag::PADDED, 1, &[2, b'a', 0, 0]),
        frame(kind::HEADERS, flag::END_HEADERS, 1, b"fields"),
    ] {
        assert_eq!(accepted(&useful), (100, None), "{useful:?}");
    }
}

#[test]
fn a_head_may_have_the_continuations_that_it_needs() {
    let now = Instant::now();
    let mut scanner = scanner(now);
    // Two full frames of fields, and one more.
    for _ in 0..10 {
        let begin = frame(kind::HEADERS, 0, 1, b"a");
        let more = frame(kind::CONTINUATION, 0, 1, b"b");
        let end = frame(kind::CONTINUATION, flag::END_HEADERS, 1, b"c");
        let head = [begin, more.clone(), more, end].concat();
        assert_eq!(scanner.received(&head, now), Ok(()));
    }
    let flood = frame(kind::CONTINUATION, 0, 1, b"");
    assert_eq!(accepted(&flood), (3 + 5, Some(Abuse::ControlFrames(5))));
}

#[test]
fn answers_pay_for_window_updates() {
    let now = Instant::now();
    let update = frame(kind::WINDOW_UPDATE, 0, 0, &[0, 0, 4, 0]);
    for (answers, paid) in [
        (&[][..], 0),
        // The smallest one uses the window of its stream, and that of the connection.
        (&[1], 2),
        (&[1023, 7 * 1024], 9),
        // What a large answer has paid does not last for ever.
        (&[usize::MAX, usize::MAX], 65_536),
    ] {
        let mut scanner = scanner(now);
        for bytes in answers {
            scanner.sent(*bytes);
        }
        let free = update.repeat(paid + 5);
        assert_eq!(scanner.received(&free, now), Ok(()), "{answers:?}");
        let abuse = Err(Abuse::ControlFrames(5));
        assert_eq!(scanner.received(&update, now), abuse, "{answers:?}");
    }
}

#[test]
fn the_count_begins_again_after_ten_seconds() {
    let now = Instant::now();
    let mut scanner = scanner(now);
    let resets = [reset(1), reset(3), reset(5)].concat();
    assert_eq!(scanner.received(&resets, now), Ok(()));
    let almost = now + Duration::from_millis(9_999);
    assert_eq!(scanner.had_to_reset(7, almost), Err(Abuse::Resets(3)));
    let later = now + WINDOW;
    assert_eq!(scanner.received(&reset(9), later), Ok(()));
    // Resets of both sides count, those of one stream once.
    assert_eq!(scanner.had_to_reset(9, later), Ok(()));
    assert_eq!(scanner.had_to_reset(11, later), Ok(()));
    assert_eq!(scanner.had_to_reset(13, later), Ok(()));
    assert_eq!(scanner.received(&reset(11), later), Ok(()));
    assert_eq!(scanner.received(&reset(15), later), Err(Abuse::Resets(3)));
}

#[test]
fn without_limits_nothing_is_too_much() {
    let now = Instant::now();
    let none = FloodLimits {
        resets: 0,
        control_frames: 0,
        field_bytes: 0,
    };
    let mut scanner = Scanner::new(none, now);
    let bytes = [&begin()[..], &reset(1).repeat(1000)].concat();
    assert_eq!(scanner.received(&bytes, now), Ok(()));
    let ping = frame(kind::PING, 0, 0, &[0; 8]);
    assert_eq!(scanner.received(&ping.repeat(10_000), now), Ok(()));
}

#[test]
fn parts_of_heads_are_known() {
    let now = Instant::now();
    let mut scanner = scanner(now);
    let begin = frame(kind::HEADERS, 0, 1, b"ab");
    let end = frame(kind::CONTINUATION, flag::END_HEADERS, 1, b"c");
    let data = frame(kind::DATA, 0, 1, b"d");
    for (bytes, within_head) in [
        (&begin[..1], false),
        (&begin[1..9], true),
        (&begin[9..10], true),
        (&begin[10..], true),
        (&end[..9], true),
        (&end[9..], false),
        (&data[..9], false),
        (&data[9..], false),
    ] {
        scanner.received(bytes, now).unwrap();
        assert_eq!(scanner.is_within_head(), within_head, "{bytes:?}");
    }
}

#[test]
fn priorities_of_streams_are_handed_out() {
    let now = Instant::now();
    let mut scanner = Scanner::new(
        FloodLimits {
            control_frames: 0,
            ..LIMITS
        },
        now,
    );
    let update = |stream: u32, value: &str| {
        let payload = [&stream.to_be_bytes()[..], value.as_bytes()].concat();
        frame(kind::PRIORITY_UPDATE, 0, 0, &payload)
    };
    let long = |length| format!("{:length$}", "u=5,");
    let bytes = [
        begin(),
        update(1, "u=1"),
        update(0x8000_0003, "u=7, i"),
        update(1, "u=0"),
        update(5, &long(64)),
        update(7, &long(65)),
        update(0, "u=1"),
        frame(kind::PRIORITY_UPDATE, 0, 9, b"\0\0\0\x09u=1"),
        frame(kind::PRIORITY_UPDATE, 0, 0, b"\0\0\0"),
        update(11, ""),
    ]
    .concat();
    for piece in bytes.chunks(7) {
        scanner.received(piece, now).unwrap();
    }
    let priority = |urgency, incremental| Priority {
        urgency,
        incremental,
    };
    let expected = [
        (3, priority(7, true)),
        (1, priority(0, false)),
        (5, priority(5, false)),
        (11, Priority::default()),
    ];
    assert_eq!(scanner.take_priority_updates(), expected);
    assert_eq!(scanner.take_priority_updates(), []);

    // The last ones are kept.
    let many: Vec<_> = (0..20).map(|n| update(2 * n + 1, "u=2")).collect();
    scanner.received(&many.concat(), now).unwrap();
    let streams = scanner.take_priority_updates();
    let streams: Vec<_> = streams.iter().map(|(stream, _)| *stream).collect();
    let last: Vec<u32> = (4..20).map(|n| 2 * n + 1).collect();
    assert_eq!(streams, last);
}

#[test]
fn the_first_frame_is_settings_and_lengths_are_right() {
    let now = Instant::now();
    for (kind, flags) in [(kind::PING, 0), (kind::SETTINGS, flag::ACK)] {
        let mut scanner = Scanner::new(LIMITS, now);
        let start = [PREFACE, &frame(kind, flags, 0, &[])].concat();
        assert_eq!(scanner.received(&start, now), Err(Abuse::NoSettings));
    }
    for (kind, flags, length) in [
        (kind::PING, 0, 7),
        (kind::SETTINGS, 0, 7),
        (kind::SETTINGS, flag::ACK, 6),
        (kind::RST_STREAM, 0, 5),
        (kind::WINDOW_UPDATE, 0, 3),
    ] {
        let wrong = frame(kind, flags, 0, &vec![0; length]);
        let seen = scanner(now).received(&wrong, now);
        assert_eq!(seen, Err(Abuse::FrameLength), "{kind}");
    }
}
