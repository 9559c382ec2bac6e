//! The times of a pack's files.
//!
//! A pack must have the same bytes whenever and wherever it is made, so no clock and no
//! file time is used. But servers of static files tell browsers by a file's time and
//! size whether a copy is still valid (`ETag`, `Last-Modified`), so different files
//! must have different times. So the time is computed from the content.

use std::env;

use anyhow::{Context, Result};
use flate2::Crc;

/// The first time that a zip can hold (1980), in seconds since 1970.
const FIRST: u64 = 315_532_800;

/// The value of `SOURCE_DATE_EPOCH` (reproducible-builds.org), in seconds since 1970.
/// If it is set, it is the time of all files.
#[derive(Clone, Copy)]
pub struct Times(Option<u64>);

impl Times {
    /// # Errors
    /// The variable is not a number.
    pub fn read() -> Result<Self> {
        const VARIABLE: &str = "SOURCE_DATE_EPOCH";
        /// The last second of the year 9999.
        const LAST: u64 = 253_402_300_799;
        let Some(text) = env::var_os(VARIABLE) else {
            return Ok(Self(None));
        };
        let text = text.to_string_lossy();
        let time = text.trim().parse().ok().filter(|time| *time <= LAST);
        let time = time.with_context(|| {
            format!("${VARIABLE} is '{text}'; it must be a number of seconds since 1970")
        })?;
        Ok(Self(Some(time)))
    }

    /// When the pack was made.
    pub fn made(self) -> u64 {
        self.0.unwrap_or(FIRST)
    }

    /// The time of a file with these bytes.
    pub fn of(self, bytes: &[u8]) -> u64 {
        self.0.unwrap_or_else(|| of_content(bytes))
    }
}

/// A time before 1997 that is always the same for the same bytes.
pub fn of_content(bytes: &[u8]) -> u64 {
    let mut sum = Crc::new();
    sum.update(bytes);
    // A zip has a precision of two seconds.
    FIRST + 2 * u64::from(sum.sum() >> 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_is_the_time() {
        let times = Times(None);
        assert_ne!(times.of(b"color: #fff"), times.of(b"color: #000"));
        assert_eq!(times.of(b""), FIRST);
        assert_eq!(times.of(b"a") % 2, 0);
        // The largest checksum.
        assert_eq!(of_content(b"\xff\xff\xff\xff"), 852_403_710);
        assert_eq!(Times(Some(7)).of(b"a"), 7);
    }
}
