//! The page with which a worker answers in the app's place.

use super::hub::Rules;
use super::today::today;
use crate::http::{ErrorPage, ErrorResponse, Status};

/// Says `message`. A 503 also says after which time to come again
/// (`retry_after`). `fields` are others that the answer has.
pub fn own_page(
    rules: &Rules,
    status: Status,
    message: &str,
    is_head: bool,
    fields: &[(&str, &str)],
) -> ErrorResponse {
    let seconds = rules.retry_after.to_string();
    let comes_again = status == Status::SERVICE_UNAVAILABLE && rules.retry_after > 0;
    let retry_after = comes_again.then_some(("Retry-After", &*seconds));
    let fields: Vec<_> = retry_after.into_iter().chain(fields.to_vec()).collect();
    ErrorPage {
        status,
        message,
        date: today().as_str(),
        is_head,
        fields: &fields,
    }
    .render()
}
