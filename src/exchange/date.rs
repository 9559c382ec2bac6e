//! The value of a response's Date field.

use crate::http::HttpDate;
use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

/// The date of this second; each thread writes it once.
pub fn today() -> HttpDate {
    thread_local! {
        static TODAY: Cell<(u64, HttpDate)> = Cell::new((u64::MAX, HttpDate::default()));
    }
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = since_epoch.map_or(0, |since| since.as_secs());
    let (second, mut today) = TODAY.get();
    if second != now {
        today = HttpDate::new(now.cast_signed());
        TODAY.set((now, today));
    }
    today
}
