//! What is accepted from a peer: the settings in the form that the parsers use.

use super::proxy::ProxyMode;
use super::scheme::SecureSchemeFields;

/// What is accepted from one kind of peer. A worker has two: for trusted peers
/// and for all others.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    pub limits: Limits,
    /// `proxy_protocol`: applies only to the first bytes of a connection.
    pub proxy: ProxyMode,
    /// `header_map`: what is done with names that have an underscore.
    pub underscores: Underscores,
    /// `forwarder_headers`: such names that this peer may send nevertheless, in
    /// any case; `*` for all. Empty for peers that are not trusted.
    pub underscore_fields: Vec<String>,
    /// `secure_scheme_headers`. Empty for peers that are not trusted.
    pub secure_scheme_fields: SecureSchemeFields,
    /// `permit_obsolete_folding`: a line that begins with white space continues
    /// the field before it (RFC 9112 section 5.2).
    pub obsolete_folding: bool,
    /// `strip_header_spaces`: white space before a field's colon is allowed.
    pub strip_name_spaces: bool,
    /// `permit_unconventional_http_method`: any token is a method.
    pub unconventional_methods: bool,
    /// `permit_unconventional_http_version`: major versions other than 1 are
    /// read as if they were 1.
    pub unconventional_versions: bool,
    /// `casefold_http_method`: methods are changed to upper case.
    pub casefold_methods: bool,
}

/// What is done with a field whose name has an underscore. `X_Y` and `X-Y` are
/// the same key for the app, so that a client could imitate its proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Underscores {
    /// The field is left out. It still counts for the limits.
    #[default]
    Drop,
    /// The request is refused.
    Refuse,
    /// The field is kept, in spite of the danger.
    Keep,
}

/// Limits, under Gunicorn's names.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `limit_request_line`: bytes of the request line without its CRLF.
    pub request_line: usize,
    /// `limit_request_fields`: the number of header fields. It also limits the
    /// trailers of a chunked body.
    pub fields: usize,
    /// `limit_request_field_size`: bytes of one header field with its CRLF. It
    /// also limits a chunk-size line.
    pub field_size: usize,
    /// `limit_request_body`: bytes of a body, without its chunk framing.
    pub body: u64,
}

impl Limits {
    const LONGEST_LINE: usize = 8190;
    const MOST_FIELDS: usize = 32_768;
    /// The limit of a request line without a limit.
    const NO_LIMIT: usize = 1 << 20;

    /// From the numbers of the settings. 0 and too large numbers have the
    /// meaning that Gunicorn gives them. A `body` of 0 is no limit.
    pub fn new(request_line: u32, fields: u32, field_size: u32, body: u64) -> Limits {
        Limits {
            request_line: match request_line as usize {
                0 => Limits::NO_LIMIT,
                size => size.min(Limits::LONGEST_LINE),
            },
            fields: match fields as usize {
                0 => Limits::MOST_FIELDS,
                number => number.min(Limits::MOST_FIELDS),
            },
            field_size: match field_size as usize {
                0 => Limits::LONGEST_LINE,
                size => size,
            },
            body: if body == 0 { u64::MAX } else { body },
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits::new(4094, 100, 8190, 0)
    }
}
