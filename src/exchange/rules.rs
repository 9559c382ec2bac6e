//! What the settings say of every exchange.

/// See the settings `request_id`, `request_id_in_response`, `retry_after`.
#[derive(Debug, Default)]
pub struct ExchangeRules {
    /// The field of request ids, if requests have ids.
    pub request_id: Option<String>,
    /// True if answers have the id, too.
    pub id_in_response: bool,
    /// Seconds that a 503 tells the client to wait; 0 for no such field.
    pub retry_after: u32,
    /// True if the listeners speak TLS.
    pub encrypted: bool,
    /// True if clients are asked for a certificate.
    pub asks_for_certificates: bool,
}

impl ExchangeRules {
    /// The field that tells the client of this id, if it is to be told.
    pub fn id_field<'a>(&'a self, id: Option<&'a str>) -> Option<(&'a str, &'a str)> {
        let field = self.request_id.as_deref().filter(|_| self.id_in_response)?;
        Some((field, id?))
    }
}
