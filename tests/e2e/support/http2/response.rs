//! What the server has sent on one stream.

/// A response as far as it has come.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub trailers: Vec<(String, String)>,
    /// The responses before the final one, such as 103.
    pub informational: Vec<(u16, Vec<(String, String)>)>,
    /// Whether the server has ended the stream.
    pub has_ended: bool,
    /// The error code with which the server has reset the stream.
    pub reset: Option<u32>,
}

impl Answer {
    /// Takes the fields of a block (RFC 9113, section 8.1).
    #[track_caller]
    pub fn push_fields(&mut self, fields: Vec<(Vec<u8>, Vec<u8>)>, ends: bool) {
        assert!(!self.has_ended, "fields behind the end of a stream");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let mut fields: Vec<_> = fields
            .into_iter()
            .map(|(name, value)| (text(name), text(value)))
            .collect();
        self.has_ended = ends;
        if self.status != 0 {
            assert!(ends, "trailers do not end the stream: {fields:?}");
            self.trailers = fields;
        } else {
            assert!(!fields.is_empty(), "a response without a status");
            let (name, status) = fields.remove(0);
            assert_eq!(name, ":status");
            match status.parse().expect("a status is a number") {
                status @ 100..200 => {
                    assert!(!ends, "a stream ends with {status}");
                    self.informational.push((status, fields));
                    return;
                }
                status => (self.status, self.fields) = (status, fields),
            }
        }
        for (name, _) in self.fields.iter().chain(&self.trailers) {
            assert_eq!(*name, name.to_ascii_lowercase(), "section 8.2.1");
            const FORBIDDEN: [&str; 5] = [
                "connection",
                "keep-alive",
                "proxy-connection",
                "transfer-encoding",
                "upgrade",
            ];
            assert!(!FORBIDDEN.contains(&name.as_str()), "section 8.2.2: {name}");
        }
    }

    #[track_caller]
    pub fn push_data(&mut self, bytes: &[u8], ends: bool) {
        assert!(self.status != 0, "DATA before the head");
        assert!(!self.has_ended, "DATA behind the end of a stream");
        self.body.extend(bytes);
        self.has_ended = ends;
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body of a response, whose status must be 200.
    #[track_caller]
    pub fn ok(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.text());
        self.text()
    }
}
