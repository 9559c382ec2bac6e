//! The message about a body that was not sent.

use ::log::Level;

/// Logs that the app gave a body to a response that can have none. For HEAD
/// this is no fault of the app: many frameworks leave it to the server to drop
/// the body.
pub fn dropped_body(method: &[u8], target: &[u8], status: u16) {
    let level = match method {
        b"HEAD" => Level::Debug,
        _ => Level::Warn,
    };
    ::log::log!(
        level,
        "Dropped the body of the answer to {} {}: with status {status} it can have none",
        method.escape_ascii(),
        target.escape_ascii()
    );
}
