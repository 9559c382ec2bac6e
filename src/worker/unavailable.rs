//! The 503 of a worker that cannot take a request now.

use super::hub::Rules;
use super::today::today;
use crate::http::{ErrorPage, ErrorResponse, Status};

/// Says `why`, and after which time to come again (`retry_after`). `echo` is a
/// field that the answer has, too.
pub fn unavailable(
    rules: &Rules,
    why: &str,
    is_head: bool,
    echo: Option<(&str, &str)>,
) -> ErrorResponse {
    let seconds = rules.retry_after.to_string();
    let retry_after = Some(("Retry-After", &*seconds)).filter(|_| rules.retry_after > 0);
    let fields: Vec<_> = retry_after.into_iter().chain(echo).collect();
    ErrorPage {
        status: Status::SERVICE_UNAVAILABLE,
        message: why,
        date: today().as_str(),
        is_head,
        fields: &fields,
    }
    .render()
}
