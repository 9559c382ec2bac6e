//! What the error log says of a body that was not sent.

use ::log::Level;

/// Tells of a body that the app gave to a response which can have none. Many
/// frameworks leave it to the server to answer HEAD without one, so that is no
/// fault of the app's.
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
