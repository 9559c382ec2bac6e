//! Numbers for people.

/// A time in seconds, as two units at most.
pub fn duration(seconds: f64) -> String {
    if seconds < 10.0 {
        return latency(Some(seconds.max(0.0)));
    }
    let seconds = seconds as u64;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// A time in seconds with three digits; a dash for none.
pub fn latency(seconds: Option<f64>) -> String {
    let Some(seconds) = seconds else {
        return "–".to_owned();
    };
    match seconds * 1000.0 {
        millis @ ..1.0 => format!("{millis:.2} ms"),
        millis @ ..10.0 => format!("{millis:.1} ms"),
        millis @ ..1000.0 => format!("{millis:.0} ms"),
        millis @ ..10_000.0 => format!("{:.1} s", millis / 1000.0),
        millis => format!("{:.0} s", millis / 1000.0),
    }
}

/// So many a second.
pub fn rate(rate: f64) -> String {
    match rate {
        ..0.05 => "0".to_owned(),
        ..10.0 => format!("{rate:.1}"),
        _ => number(rate.round() as u64),
    }
}

/// A part of a whole, 0 to 1.
pub fn share(share: f64) -> String {
    match share * 100.0 {
        ..=0.0 => "0 %".to_owned(),
        ..0.1 => "< 0.1 %".to_owned(),
        percent @ ..10.0 => format!("{percent:.1} %"),
        percent => format!("{percent:.0} %"),
    }
}

/// A count of bytes.
pub fn bytes(count: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut size = count as f64;
    let mut unit = 0;
    while size >= 1023.95 && unit + 1 < units.len() {
        size /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{count} B"),
        _ if size < 100.0 => format!("{size:.1} {}", units[unit]),
        _ => format!("{size:.0} {}", units[unit]),
    }
}

/// A count, with narrow spaces between thousands.
pub fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_two_units_at_most() {
        let shown = [0.0, 9.96, 59.9, 61.0, 3_599.0, 3_700.0, 90_000.0].map(duration);
        let expected = [
            "0.00 ms",
            "10.0 s",
            "59 s",
            "1 min 1 s",
            "59 min 59 s",
            "1 h 1 min",
            "1 d 1 h",
        ];
        assert_eq!(shown, expected);
        assert_eq!(duration(-1.0), "0.00 ms");
        assert_eq!(
            duration(f64::MAX),
            format!("{} d {} h", u64::MAX / 86400, 7)
        );
        let shown = [0.000_25, 0.0042, 0.5, 1.25, 99.0].map(|it| latency(Some(it)));
        assert_eq!(shown, ["0.25 ms", "4.2 ms", "500 ms", "1.2 s", "99 s"]);
        assert_eq!(latency(None), "–");
    }

    #[test]
    fn counts_have_few_digits() {
        assert_eq!(
            [0.0, 0.26, 9.96, 12345.6].map(rate),
            ["0", "0.3", "10.0", "12\u{202f}346"]
        );
        assert_eq!(
            [0.0, 0.0004, 0.05, 0.5, 1.0].map(share),
            ["0 %", "< 0.1 %", "5.0 %", "50 %", "100 %"]
        );
        assert_eq!(
            [0, 1023, 1024, 1_048_575, 150 << 20].map(bytes),
            ["0 B", "1023 B", "1.0 KiB", "1.0 MiB", "150 MiB"]
        );
        assert_eq!(bytes(u64::MAX), "16.0 EiB");
        assert_eq!(
            [7, 1000, 1_234_567].map(number),
            ["7", "1\u{202f}000", "1\u{202f}234\u{202f}567"]
        );
    }
}
