//! The Date field.

use time::OffsetDateTime;
use time::macros::format_description;

/// A time in the form of HTTP: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110
/// section 5.6.7). `unix_seconds` outside of the years 0 to 9999 gives the
/// epoch.
fn http_date(unix_seconds: i64) -> String {
    let format = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    OffsetDateTime::from_unix_timestamp(unix_seconds)
        .ok()
        .and_then(|moment| moment.format(format).ok())
        .unwrap_or_else(|| "Thu, 01 Jan 1970 00:00:00 GMT".to_owned())
}

/// The text of a time. It is `Copy`, so that copying it allocates nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpDate([u8; 29]);

impl HttpDate {
    /// The date of a time in seconds since the epoch.
    pub fn new(unix_seconds: i64) -> HttpDate {
        let text = http_date(unix_seconds);
        HttpDate(text.as_bytes().try_into().expect("its length is fixed"))
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("it is ASCII")
    }
}

#[cfg(test)]
mod tests {
    use super::{HttpDate, http_date};

    #[test]
    fn the_example_of_the_rfc() {
        let text = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(http_date(784_111_777), text);
        assert_eq!(HttpDate::new(784_111_777).as_str(), text);
    }
}
