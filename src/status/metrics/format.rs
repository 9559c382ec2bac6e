//! Which format a client gets.

/// A format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus's text, version 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// The format for the value of a request's field `Accept` (RFC 9110 section
    /// 12.5.1): OpenMetrics only for a client that prefers it. A client that
    /// accepts neither gets Prometheus's text.
    pub fn accepted(accept: Option<&str>) -> Self {
        let ranges: Vec<_> = accept.unwrap_or_default().split(',').map(range).collect();
        let quality = |format: Self| {
            let fitting = ranges.iter().filter_map(|range| {
                let specificity = range.fits(format)?;
                Some((specificity, range.quality))
            });
            // The most specific range counts; of two, the one that is preferred.
            fitting.max().map_or(0, |(_, quality)| quality)
        };
        if quality(Self::OpenMetrics) > quality(Self::Prometheus) {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    /// The value of the field `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    fn media_type(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Prometheus => ("text", "plain", "0.0.4"),
            Self::OpenMetrics => ("application", "openmetrics-text", "1.0.0"),
        }
    }
}

/// One part of the field `Accept`.
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    version: Option<&'a str>,
    /// In thousandths.
    quality: u32,
}

impl Range<'_> {
    /// How specific the range is, if it has this format.
    fn fits(&self, format: Format) -> Option<u32> {
        let (kind, subtype, version) = format.media_type();
        if self.kind == "*" && self.subtype == "*" {
            return Some(0);
        }
        if !self.kind.eq_ignore_ascii_case(kind) {
            return None;
        }
        if self.subtype == "*" {
            return Some(1);
        }
        if !self.subtype.eq_ignore_ascii_case(subtype) {
            return None;
        }
        match self.version {
            None => Some(2),
            Some(wanted) => (wanted == version).then_some(3),
        }
    }
}

fn range(text: &str) -> Range<'_> {
    let mut parts = text.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    let (kind, subtype) = media_type.split_once('/').unwrap_or((media_type, ""));
    let mut range = Range {
        kind,
        subtype,
        version: None,
        quality: 1000,
    };
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let (name, value) = (name.trim(), value.trim().trim_matches('"'));
        if name.eq_ignore_ascii_case("version") {
            range.version = Some(value);
        } else if name.eq_ignore_ascii_case("q") {
            let quality = value.parse::<f64>().unwrap_or(0.0).clamp(0.0, 1.0);
            range.quality = (quality * 1000.0) as u32;
        }
    }
    range
}

#[cfg(test)]
mod tests {
    use super::Format::{self, OpenMetrics, Prometheus};

    #[test]
    fn openmetrics_is_for_those_who_prefer_it() {
        let prometheus_2 = "application/openmetrics-text;version=1.0.0,\
             application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,\
             */*;q=0.1";
        let cases = [
            (None, Prometheus),
            (Some(""), Prometheus),
            (Some("*/*"), Prometheus),
            (Some("text/html,*/*;q=0.8"), Prometheus),
            (Some(prometheus_2), OpenMetrics),
            (Some("application/openmetrics-text"), OpenMetrics),
            (
                Some("Application/OpenMetrics-Text; Version=\"1.0.0\""),
                OpenMetrics,
            ),
            (Some("application/*"), OpenMetrics),
            (
                Some("application/openmetrics-text;version=0.0.1"),
                Prometheus,
            ),
            (
                Some("application/openmetrics-text;version=2.0.0"),
                Prometheus,
            ),
            (Some("application/openmetrics-text, text/plain"), Prometheus),
            (Some("application/openmetrics-text;q=0"), Prometheus),
            (Some("text/plain;q=0, */*;q=0.5"), OpenMetrics),
            (
                Some("application/openmetrics-text;q=0.5,text/plain;version=0.0.4;q=0.6"),
                Prometheus,
            ),
            (
                Some("application/openmetrics-text;q=x,text/plain;q=0.1"),
                Prometheus,
            ),
            (Some(";;=,/,q"), Prometheus),
        ];
        for (accept, expected) in cases {
            assert_eq!(Format::accepted(accept), expected, "{accept:?}");
        }
    }
}
