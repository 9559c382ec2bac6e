//! Writes metrics as text.
//!
//! The two formats are much alike. In OpenMetrics the name of a family has no
//! `_total` and no `_info`, quotes in a help text are escaped, and a last line says
//! that nothing is missing.

use std::fmt::Write;

use super::family::{Family, Kind, Sample};
use super::format::Format;

/// All families as text. Families without samples are left out.
pub fn write(families: &[Family], format: Format) -> String {
    let mut text = String::with_capacity(64 * 1024);
    for family in families.iter().filter(|family| !family.samples.is_empty()) {
        head(&mut text, family, format);
        for sample in &family.samples {
            line(&mut text, &family.name, sample);
        }
    }
    if format == Format::OpenMetrics {
        text.push_str("# EOF\n");
    }
    text
}

/// A number as Go and Python's client write it, which label values need: the same
/// bucket must have the same label in both formats.
pub fn number(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.into();
    }
    if value != 0.0 && !(1e-4..1e6).contains(&value.abs()) {
        let text = format!("{value:e}");
        let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, power) = match power.strip_prefix('-') {
            Some(power) => ('-', power),
            None => ('+', power),
        };
        return format!("{digits}e{sign}{power:0>2}");
    }
    format!("{value:?}")
}

fn head(text: &mut String, family: &Family, format: Format) {
    let (name, kind) = (&family.name, family.kind);
    let suffix = match format {
        Format::Prometheus => kind.suffix(),
        Format::OpenMetrics => "",
    };
    let kind = match (kind, format) {
        (Kind::Counter, _) => "counter",
        (Kind::Info, Format::OpenMetrics) => "info",
        (Kind::Gauge | Kind::Info, _) => "gauge",
        (Kind::Histogram, _) => "histogram",
        (Kind::Summary, _) => "summary",
    };
    text.push_str("# HELP ");
    text.push_str(name);
    text.push_str(suffix);
    text.push(' ');
    escape(text, &family.help, format == Format::OpenMetrics);
    let _ = writeln!(text, "\n# TYPE {name}{suffix} {kind}");
}

fn line(text: &mut String, name: &str, sample: &Sample) {
    text.push_str(name);
    text.push_str(sample.suffix);
    let mut separator = '{';
    for (name, value) in &sample.labels {
        text.push(separator);
        text.push_str(name);
        text.push_str("=\"");
        escape(text, value, true);
        text.push('"');
        separator = ',';
    }
    if separator == ',' {
        text.push('}');
    }
    text.push(' ');
    let value = sample.value;
    // Whole numbers are easier to read without an exponent.
    if value.fract() == 0.0 && value.abs() < 1e15 {
        let _ = write!(text, "{value}");
    } else {
        text.push_str(&number(value));
    }
    text.push('\n');
}

fn escape(text: &mut String, raw: &str, quotes: bool) {
    for letter in raw.chars() {
        match letter {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '"' if quotes => text.push_str("\\\""),
            // Prometheus's parser takes it for the end of the text.
            '\0' => text.push(char::REPLACEMENT_CHARACTER),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn families() -> Vec<Family> {
        let mut counter = Family::new(Kind::Counter, "made", "Made \"so\",\nwith \\.");
        counter.add(&[("name", "a\"b\\c\nd"), ("other", "é")], 3.0);
        counter.add(&[], 0.25);
        let mut info = Family::new(Kind::Info, "build", "Build.");
        info.add(&[("version", "1")], 1.0);
        let empty = Family::new(Kind::Gauge, "empty", "Nothing.");
        vec![counter, info, empty]
    }

    #[test]
    fn prometheus_text() {
        let expected = r#"# HELP made_total Made "so",\nwith \\.
# TYPE made_total counter
made_total{name="a\"b\\c\nd",other="é"} 3
made_total 0.25
# HELP build_info Build.
# TYPE build_info gauge
build_info{version="1"} 1
"#;
        assert_eq!(write(&families(), Format::Prometheus), expected);
    }

    #[test]
    fn openmetrics() {
        let expected = r#"# HELP made Made \"so\",\nwith \\.
# TYPE made counter
made_total{name="a\"b\\c\nd",other="é"} 3
made_total 0.25
# HELP build Build.
# TYPE build info
build_info{version="1"} 1
# EOF
"#;
        assert_eq!(write(&families(), Format::OpenMetrics), expected);
    }

    #[test]
    fn numbers_are_those_of_go() {
        let cases = [
            (0.0, "0.0"),
            (1.0, "1.0"),
            (0.000256, "0.000256"),
            (0.00001, "1e-05"),
            (2.5, "2.5"),
            (999_999.0, "999999.0"),
            (1_000_000.0, "1e+06"),
            (12_345_678.5, "1.23456785e+07"),
            (1e100, "1e+100"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ];
        for (value, expected) in cases {
            assert_eq!(number(value), expected);
        }
    }
}
