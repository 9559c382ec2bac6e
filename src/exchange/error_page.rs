//! The server's own error responses.

use super::date::today;
use super::names::Names;
use super::rules::ExchangeRules;
use super::stream::Stream;
use crate::http::{ErrorPage, Status};
use std::io::{self, IoSlice};

/// An error page with this `message` and the request's names. A 503 also has a
/// `Retry-After` field (`retry_after`). `fields` are further fields of the
/// response.
pub fn error_page(
    rules: &ExchangeRules,
    status: Status,
    message: &str,
    is_head: bool,
    names: &Names,
    fields: &[(&str, &str)],
) -> ErrorPage {
    let seconds = rules.retry_after.to_string();
    let is_retried = status == Status::SERVICE_UNAVAILABLE && rules.retry_after > 0;
    let retry_after = is_retried.then_some(("Retry-After", &*seconds));
    let standard = retry_after.into_iter().chain(rules.fields_of(names));
    let fields: Vec<_> = standard.chain(fields.iter().copied()).collect();
    ErrorPage::new(status, message, today().as_str(), is_head, &fields)
}

/// Sends an error page as the whole response.
pub fn send_page(stream: &dyn Stream, page: &ErrorPage) -> io::Result<bool> {
    match stream.frames() {
        Some(frames) => frames.send_page(page),
        None => stream.write(&mut [IoSlice::new(&page.text())]),
    }
}
