//! The settings that apply to every request.

/// See the settings `server_header`, `request_id`, `request_id_in_response` and
/// `retry_after`.
#[derive(Debug, Default)]
pub struct ExchangeRules {
    /// The value of the `Server` field; empty for no field.
    pub server: String,
    /// The name of the field with the request's id; nothing if requests have no
    /// ids.
    pub request_id: Option<String>,
    /// True if responses have this field, too.
    pub id_in_response: bool,
    /// The seconds in the `Retry-After` field of a 503; 0 for no such field.
    pub retry_after: u32,
    /// True if the listeners use TLS.
    pub encrypted: bool,
    /// True if clients are asked for a certificate.
    pub asks_for_certificates: bool,
}

impl ExchangeRules {
    /// The response field that tells the client this id, if there is one.
    pub fn id_field<'a>(&'a self, id: Option<&'a str>) -> Option<(&'a str, &'a str)> {
        let field = self.request_id.as_deref().filter(|_| self.id_in_response)?;
        Some((field, id?))
    }
}
