//! The page with which the server answers in the app's place.

use super::date::today;
use super::rules::ExchangeRules;
use crate::http::{ErrorPage, ErrorResponse, Status};

/// Says `message`, and has the id of the request. A 503 also says after how
/// many seconds to come again (`retry_after`). `fields` are others that the
/// answer has.
pub fn error_page(
    rules: &ExchangeRules,
    status: Status,
    message: &str,
    is_head: bool,
    id: Option<&str>,
    fields: &[(&str, &str)],
) -> ErrorResponse {
    let seconds = rules.retry_after.to_string();
    let comes_again = status == Status::SERVICE_UNAVAILABLE && rules.retry_after > 0;
    let retry_after = comes_again.then_some(("Retry-After", &*seconds));
    let own = retry_after.into_iter().chain(rules.id_field(id));
    let fields: Vec<_> = own.chain(fields.iter().copied()).collect();
    ErrorPage {
        status,
        message,
        date: today().as_str(),
        is_head,
        fields: &fields,
    }
    .render()
}
