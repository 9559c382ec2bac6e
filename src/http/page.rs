//! The server's own error pages.

use super::field::fields_of;
use super::status::Status;

/// The response to a client that sends plain HTTP to a TLS port.
pub const NOT_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    Connection: close\r\n\
    Content-Type: text/plain\r\n\
    Content-Length: 60\r\n\r\n\
    This port speaks HTTPS: write https:// in front of the name\n";

/// An error page: a complete response of the server's own.
#[derive(Clone, Debug)]
pub struct ErrorPage {
    pub status: Status,
    /// Its fields, but the one about the connection.
    lines: Vec<u8>,
    connection: &'static str,
    body: String,
}

impl ErrorPage {
    /// `message` is shown to the client. `fields` are further fields, names and
    /// values. The response to a HEAD request has no body.
    pub fn new(
        status: Status,
        message: &str,
        date: &str,
        is_head: bool,
        fields: &[(&str, &str)],
    ) -> ErrorPage {
        let reason = status.reason;
        let body = format!(
            "<html><head><title>{reason}</title></head>\
             <body><h1>{reason}</h1><p>{}</p></body></html>\n",
            escape(message)
        );
        let further = fields.iter();
        let further: String = further
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let lines = format!(
            "Date: {date}\r\nContent-Type: text/html\r\n{further}Content-Length: {}\r\n",
            body.len()
        );
        // `Upgrade` concerns only this connection, so `Connection` must name it
        // (RFC 9110 section 7.8).
        let mut names = fields.iter().map(|(name, _)| name);
        let connection = match names.any(|name| name.eq_ignore_ascii_case("upgrade")) {
            true => "close, upgrade",
            false => "close",
        };
        ErrorPage {
            status,
            lines: lines.into_bytes(),
            connection,
            body: if is_head { String::new() } else { body },
        }
    }

    /// The bytes of HTTP/1.1. The connection closes after it.
    pub fn text(&self) -> Vec<u8> {
        let Status { code, reason } = self.status;
        let connection = self.connection;
        let start = format!("HTTP/1.1 {code} {reason}\r\nConnection: {connection}\r\n");
        let body = self.body.as_bytes();
        [start.as_bytes(), &self.lines, b"\r\n", body].concat()
    }

    /// Its fields, but the one about the connection.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        fields_of(&self.lines)
    }

    pub fn body(&self) -> &[u8] {
        self.body.as_bytes()
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
        let page =
            |is_head| ErrorPage::new(Status::BAD_REQUEST, "<script>'&\"", "today", is_head, &[]);
        let text = String::from_utf8(page(false).text()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(body.as_bytes(), page(false).body());
        assert_eq!(page(true).text().len(), head.len() + 4);
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nDate: today"));
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())));
        assert!(body.contains("&lt;script&gt;&#x27;&amp;&quot;"));
    }

    #[test]
    fn a_client_can_be_told_when_to_come_back() {
        let fields = [("Retry-After", "5")];
        let page = ErrorPage::new(Status::SERVICE_UNAVAILABLE, "", "today", false, &fields);
        let text = String::from_utf8(page.text()).unwrap();
        assert!(text.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
        assert!(text.contains("\r\nRetry-After: 5\r\n"));
        assert!(
            page.fields()
                .any(|it| it == (&b"Retry-After"[..], &b"5"[..]))
        );
    }
}
