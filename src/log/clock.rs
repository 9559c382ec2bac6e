//! The local time, in the forms that the logs use.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::system::local_time;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A time in the time zone of this process.
pub struct LocalTime(libc::tm);

impl LocalTime {
    /// Now.
    pub fn now() -> Self {
        Self::at(since_epoch().as_secs().cast_signed())
    }

    fn at(seconds: libc::time_t) -> Self {
        Self(local_time(seconds))
    }

    /// `[2026-11-23 02:49:20 +0000]`, of the error log.
    pub fn error_log(&self) -> impl fmt::Display {
        let tm = self.0;
        fmt::from_fn(move |f| {
            write!(
                f,
                "[{:04}-{:02}-{:02} {:02}:{:02}:{:02} {}]",
                tm.tm_year + 1900,
                tm.tm_mon + 1,
                tm.tm_mday,
                tm.tm_hour,
                tm.tm_min,
                tm.tm_sec,
                offset(tm.tm_gmtoff),
            )
        })
    }

    /// `2026-11-23T02:49:20` and `+00:00`. A fraction of the second may stand
    /// between them (RFC 3339).
    fn rfc3339(&self) -> (String, String) {
        let tm = self.0;
        let seconds = format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
            tm.tm_year + 1900,
            tm.tm_mon + 1,
            tm.tm_mday,
            tm.tm_hour,
            tm.tm_min,
            tm.tm_sec,
        );
        let mut zone = offset(tm.tm_gmtoff).to_string();
        zone.insert(3, ':');
        (seconds, zone)
    }

    /// `[10/Oct/2000:13:55:36 +0000]`, of the access log.
    fn access_log(&self) -> impl fmt::Display {
        let tm = self.0;
        fmt::from_fn(move |f| {
            write!(
                f,
                "[{:02}/{}/{:04}:{:02}:{:02}:{:02} {}]",
                tm.tm_mday,
                MONTHS[tm.tm_mon as usize],
                tm.tm_year + 1900,
                tm.tm_hour,
                tm.tm_min,
                tm.tm_sec,
                offset(tm.tm_gmtoff),
            )
        })
    }
}

/// The current time for the access log. Its text is made once a second.
#[derive(Debug, Default)]
pub struct Timestamp {
    since_epoch: Duration,
    access_log: String,
    rfc3339: (String, String),
}

impl Timestamp {
    /// Now.
    pub fn now() -> Self {
        let mut timestamp = Self::default();
        timestamp.update();
        timestamp
    }

    /// Sets it to the current time.
    pub fn update(&mut self) {
        let now = since_epoch();
        if now.as_secs() != self.since_epoch.as_secs() {
            let time = LocalTime::at(now.as_secs().cast_signed());
            self.access_log = time.access_log().to_string();
            self.rfc3339 = time.rfc3339();
        }
        self.since_epoch = now;
    }

    /// Whole seconds since the epoch.
    pub fn second(&self) -> u64 {
        self.since_epoch.as_secs()
    }

    /// `[10/Oct/2000:13:55:36 +0000]`.
    pub fn access_log(&self) -> &str {
        &self.access_log
    }

    /// `2026-11-23T02:49:20` and the zone, `+00:00`.
    pub fn rfc3339(&self) -> (&str, &str) {
        (&self.rfc3339.0, &self.rfc3339.1)
    }

    /// The fraction of the second.
    pub fn microseconds(&self) -> u32 {
        self.since_epoch.subsec_micros()
    }
}

fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// Seconds east of Greenwich as `+hhmm`.
fn offset(seconds: libc::c_long) -> impl fmt::Display {
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.abs() / 60;
    fmt::from_fn(move |f| write!(f, "{sign}{:02}{:02}", minutes / 60, minutes % 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_have_a_sign_and_four_digits() {
        assert_eq!(offset(0).to_string(), "+0000");
        assert_eq!(offset(-(3 * 3600 + 1800)).to_string(), "-0330");
        assert_eq!(offset(12 * 3600 + 45 * 60).to_string(), "+1245");
    }

    #[test]
    fn both_forms_show_the_same_moment() {
        let time = LocalTime(libc::tm {
            tm_year: 126,
            tm_mon: 10,
            tm_mday: 3,
            tm_hour: 2,
            tm_min: 49,
            tm_sec: 20,
            ..LocalTime::at(0).0
        });
        assert!(
            time.error_log()
                .to_string()
                .starts_with("[2026-11-03 02:49:20 ")
        );
        assert!(
            time.access_log()
                .to_string()
                .starts_with("[03/Nov/2026:02:49:20 ")
        );
    }
}
