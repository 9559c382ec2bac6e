//! The server's own error pages.

use super::status::Status;

/// The response to a client that sends plain HTTP to a TLS port.
pub const NOT_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    Connection: close\r\n\
    Content-Type: text/plain\r\n\
    Content-Length: 60\r\n\r\n\
    This port speaks HTTPS: write https:// in front of the name\n";

/// A complete response of the server's own.
#[derive(Clone, Debug)]
pub struct ErrorResponse {
    pub status: Status,
    pub bytes: Vec<u8>,
    /// The length of its body in bytes.
    pub body_length: usize,
}

/// An error page. Its connection closes after it.
#[derive(Clone, Copy, Debug)]
pub struct ErrorPage<'a> {
    pub status: Status,
    /// Shown to the client.
    pub message: &'a str,
    /// The value of the Date field.
    pub date: &'a str,
    /// True for a HEAD request: its response has no body.
    pub is_head: bool,
    /// Further fields: names and values.
    pub fields: &'a [(&'a str, &'a str)],
}

impl ErrorPage<'_> {
    pub fn render(&self) -> ErrorResponse {
        let Status { code, reason } = self.status;
        let body = format!(
            "<html><head><title>{reason}</title></head>\
             <body><h1>{reason}</h1><p>{}</p></body></html>\n",
            escape(self.message)
        );
        let fields = self.fields.iter();
        let fields: String = fields
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        // `Upgrade` concerns only this connection, so `Connection` must name it
        // (RFC 9110 section 7.8).
        let mut names = self.fields.iter().map(|(name, _)| name);
        let connection = match names.any(|name| name.eq_ignore_ascii_case("upgrade")) {
            true => "close, upgrade",
            false => "close",
        };
        let mut bytes = format!(
            "HTTP/1.1 {code} {reason}\r\n\
             Date: {}\r\n\
             Connection: {connection}\r\n\
             Content-Type: text/html\r\n\
             {fields}Content-Length: {}\r\n\r\n",
            self.date,
            body.len()
        )
        .into_bytes();
        let body = if self.is_head { "" } else { &body };
        bytes.extend_from_slice(body.as_bytes());
        ErrorResponse {
            status: self.status,
            bytes,
            body_length: body.len(),
        }
    }
}

/// The text as the content of an element or a quoted attribute of HTML.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#x27;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_cannot_become_markup_and_the_length_is_right() {
        let render = |is_head| {
            let page = ErrorPage {
                status: Status::BAD_REQUEST,
                message: "<script>'&\"",
                date: "today",
                is_head,
                fields: &[],
            };
            page.render()
        };
        let page = render(false);
        let text = String::from_utf8(page.bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(body.len(), page.body_length);
        let without = render(true);
        assert_eq!(without.bytes.len(), head.len() + 4);
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\nDate: today\r\nConnection: close"));
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())));
        assert!(body.contains("&lt;script&gt;&#x27;&amp;&quot;"));
    }

    #[test]
    fn a_client_can_be_told_when_to_come_back() {
        let page = ErrorPage {
            status: Status::SERVICE_UNAVAILABLE,
            message: "",
            date: "today",
            is_head: false,
            fields: &[("Retry-After", "5")],
        };
        let text = String::from_utf8(page.render().bytes).unwrap();
        assert!(text.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
        assert!(text.contains("\r\nRetry-After: 5\r\n"));
    }
}
