//! The times of a pack's files.
//!
//! A pack is the same bytes whenever and wherever it is made, so no clock and no disk
//! is asked. But by a file's time and size servers of static files tell a browser
//! whether what it has is still right (`ETag`, `Last-Modified`): files that differ must
//! not have one time. So the time is made of the content.

use std::env;

use anyhow::{Context, Result};
use flate2::Crc;

/// The first time that a zip can tell (1980), in seconds since 1970.
const FIRST: u64 = 315_532_800;

/// What `SOURCE_DATE_EPOCH` says (reproducible-builds.org), in seconds since 1970; it
/// is the time of all files then.
#[derive(Clone, Copy)]
pub struct Times(Option<u64>);

impl Times {
    /// # Errors
    /// The variable is no number.
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

    /// When a file of these bytes was changed.
    pub fn of(self, bytes: &[u8]) -> u64 {
        self.0.unwrap_or_else(|| of_content(bytes))
    }
}

/// A time before 1997 that these bytes have always.
pub fn of_content(bytes: &[u8]) -> u64 {
    let mut sum = Crc::new();
    sum.update(bytes);
    // A zip knows every other second only.
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
        // The largest sum that there is.
        assert_eq!(of_content(b"\xff\xff\xff\xff"), 852_403_710);
        assert_eq!(Times(Some(7)).of(b"a"), 7);
    }
}
