//! What is accepted from a peer: the settings as the parsers want them.

use super::proxy::ProxyMode;
use super::scheme::SecureSchemeFields;

/// What is accepted from one kind of peer. A worker makes two, for peers it
/// trusts and for all others.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    pub limits: Limits,
    /// `proxy_protocol`, which only counts for a connection's first bytes.
    pub proxy: ProxyMode,
    /// `header_map`: what becomes of names with an underscore.
    pub underscores: Underscores,
    /// `forwarder_headers`: such names that this peer may send all the same,
    /// in any case; `*` for all. Empty for peers that are not trusted.
    pub underscore_fields: Vec<String>,
    /// `secure_scheme_headers`. Empty for peers that are not trusted.
    pub secure_scheme_fields: SecureSchemeFields,
    /// `permit_obsolete_folding`: a line that begins with white space goes on
    /// with the field before it (RFC 9112 section 5.2).
    pub obsolete_folding: bool,
    /// `strip_header_spaces`: white space before a field's colon is no error.
    pub strip_name_spaces: bool,
    /// `permit_unconventional_http_method`: any token is a method.
    pub unconventional_methods: bool,
    /// `permit_unconventional_http_version`: major versions other than 1 are
    /// read as if they were 1.
    pub unconventional_versions: bool,
    /// `casefold_http_method`: methods are made upper case.
    pub casefold_methods: bool,
}

/// `X_Y` and `X-Y` are one key to the app, so that a client could pass for its
/// proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Underscores {
    /// The field is left out; it counts for the limits.
    #[default]
    Drop,
    /// The request is refused.
    Refuse,
    /// The field is kept, as if there were no danger.
    Keep,
}

/// How much is accepted, under the names Gunicorn has for it.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `limit_request_line`: bytes of the request line without its CRLF.
    pub request_line: usize,
    /// `limit_request_fields`: number of header fields; trailers of a chunked
    /// body are held to the same number.
    pub fields: usize,
    /// `limit_request_field_size`: bytes of one header field with its CRLF;
    /// also of one chunk-size line.
    pub field_size: usize,
    /// `limit_request_body`: bytes of a body, without what frames it.
    pub body: u64,
}

impl Limits {
    const LONGEST_LINE: usize = 8190;
    const MOST_FIELDS: usize = 32_768;
    /// What "no limit" is for a request line.
    const NO_LIMIT: usize = 1 << 20;

    /// The settings' numbers, with Gunicorn's meaning of 0 and of what is too
    /// large; a `body` of 0 is no limit.
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
