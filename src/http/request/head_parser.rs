//! Reads the head of a request, strictly, each byte once.
//!
//! Lines are found while bytes arrive. The request line is checked as soon as
//! it is complete, the fields when the whole head is. So the limits hold before
//! the head has ended, and the result does not depend on how the network splits
//! the bytes.

use super::facts::{Facts, check_method, keeps};
use super::head::{Head, RequestLine, Version};
use super::target;
use crate::http::error::{Error, printable};
use crate::http::field::{self, Name};
use crate::http::policy::Policy;
use crate::http::span::Span;

/// Reads one head after another from bytes that arrive in pieces.
#[derive(Debug, Default)]
pub struct HeadParser {
    /// All bytes before this position were read.
    scanned: usize,
    /// The start of the line that has not ended.
    line_start: usize,
    request_line: Option<RequestLine>,
    /// The field lines without CRLF.
    lines: Vec<Span>,
    /// The number of fields so far: lines that do not continue the line before.
    fields: usize,
    /// The bytes of the last field so far, with its line ends.
    field_size: usize,
}

impl HeadParser {
    /// Continues with `bytes`: everything received since the start of the
    /// request, more than in the last call. When the head is complete, fills
    /// `head` and gives its length in bytes; before that, gives nothing. After
    /// a head or an error the parser is ready for another head.
    pub fn advance(
        &mut self,
        bytes: &[u8],
        policy: &Policy,
        head: &mut Head,
    ) -> Result<Option<usize>, Error> {
        let result = self.scan(bytes, policy).and_then(|end| {
            let (Some(end), Some(line)) = (end, self.request_line) else {
                return Ok(None);
            };
            head.fill(&bytes[..end], line, &self.lines, policy)?;
            Ok(Some(end))
        });
        if !matches!(result, Ok(None)) {
            let mut lines = std::mem::take(&mut self.lines);
            lines.clear();
            *self = HeadParser {
                lines,
                ..HeadParser::default()
            };
        }
        result
    }

    /// Finds lines until the empty one, and gives the position after it.
    fn scan(&mut self, bytes: &[u8], policy: &Policy) -> Result<Option<usize>, Error> {
        let from = self.scanned;
        for distance in memchr::memchr_iter(b'\n', &bytes[from..]) {
            let line_feed = from + distance;
            let content = &bytes[self.line_start..line_feed];
            let with_cr = content.ends_with(b"\r");
            let line = Span::new(self.line_start, line_feed - usize::from(with_cr));
            self.check(content, line.len(), policy)?;
            if !with_cr {
                return Err(Error::BareLineFeed);
            }
            self.line_start = line_feed + 1;
            if self.request_line.is_some() {
                if line.len() == 0 {
                    return Ok(Some(self.line_start));
                }
                self.count(content[0], line.len());
                self.lines.push(line);
            } else if line.len() > 0 {
                self.request_line = Some(request_line(bytes, line, policy)?);
            } else if line.start() > 0 {
                // One empty line before the request line is allowed (RFC 9112
                // section 2.2), not two.
                return Err(Error::RequestLine(printable(b"")));
            }
        }
        self.scanned = bytes.len();
        let rest = &bytes[self.line_start..];
        // The last byte may be the CR of a line that just meets its limit.
        self.check(rest, rest.len().saturating_sub(1), policy)?;
        Ok(None)
    }

    /// Checks an incomplete line of `length` bytes.
    fn check(&self, line: &[u8], length: usize, policy: &Policy) -> Result<(), Error> {
        let limits = &policy.limits;
        if self.request_line.is_none() {
            // A client with another protocol, such as TLS, may never send a
            // line end.
            if let Some(first) = line.first()
                && !matches!(first, b'\r' | b'\n' | b' '..=0x7e)
            {
                return Err(Error::RequestLine(printable(&[*first])));
            }
            if length > limits.request_line {
                return Err(Error::RequestLineTooLong(limits.request_line));
            }
            return Ok(());
        }
        let mut size = length + 2;
        if length > 0 {
            if goes_on(line[0]) {
                if !policy.obsolete_folding || self.fields == 0 {
                    return Err(Error::ObsoleteFolding);
                }
                size += self.field_size;
            } else if self.fields >= limits.fields {
                return Err(Error::TooManyFields(limits.fields));
            }
        }
        if size > limits.field_size && length > 0 {
            return Err(Error::FieldTooLong(limits.field_size));
        }
        Ok(())
    }

    fn count(&mut self, first: u8, length: usize) {
        if !goes_on(first) {
            self.fields += 1;
            self.field_size = 0;
        }
        self.field_size += length + 2;
    }
}

/// True if a line with this first byte continues the field before it.
fn goes_on(first: u8) -> bool {
    first == b' ' || first == b'\t'
}

fn request_line(bytes: &[u8], span: Span, policy: &Policy) -> Result<RequestLine, Error> {
    let line = span.of(bytes);
    let mut words = line.split(|&b| b == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Error::RequestLine(printable(line)));
    };
    check_method(method, policy)?;
    let version = parse_version(version, policy)?;
    let parts = target::split(method, target)?;
    let within = |part| Span::within(bytes, part);
    Ok(RequestLine {
        method: within(method),
        target: within(target),
        path: within(parts.path),
        query: within(parts.query),
        authority: parts.authority.map(within),
        version,
    })
}

fn parse_version(version: &[u8], policy: &Policy) -> Result<Version, Error> {
    match version {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            match major {
                b'1' => Ok(Version::Http11),
                b'0' if policy.unconventional_versions => Ok(Version::Http10),
                _ if policy.unconventional_versions => Ok(Version::Http11),
                _ => Err(Error::UnsupportedVersion(printable(version))),
            }
        }
        _ => Err(Error::Version(printable(version))),
    }
}

impl Head {
    /// Reads the complete head `raw`, whose request line was accepted.
    fn fill(
        &mut self,
        raw: &[u8],
        line: RequestLine,
        lines: &[Span],
        policy: &Policy,
    ) -> Result<(), Error> {
        self.raw.clear();
        self.raw.extend_from_slice(raw);
        self.fields.clear();
        self.line = line;
        if policy.casefold_methods {
            line.method.of_mut(&mut self.raw).make_ascii_uppercase();
        }
        let mut facts = Facts::default();
        let mut rest = lines;
        while let Some((&first, after)) = rest.split_first() {
            rest = after;
            let content = first.of(raw);
            let Name { length, underscore } = field::name(content, policy.strip_name_spaces)?;
            let name = Span::new(first.start(), first.start() + length);
            let colon = length + field::blanks_before_colon(&content[length..]);
            let mut value = Span::within(raw, field::trim(&content[colon + 1..]));
            if rest.first().is_some_and(|next| goes_on(raw[next.start()])) {
                value = self.unfold(raw, value, &mut rest);
            }
            if !field::is_value(value.of(&self.raw)) {
                return Err(Error::Field(printable(name.of(raw))));
            }
            if underscore && !keeps(name.of(raw), policy)? {
                continue;
            }
            if let Some(authority) = line.authority
                && name.of(raw).eq_ignore_ascii_case(b"host")
            {
                facts.host(name.of(raw), value.of(&self.raw))?;
                // The target replaces the Host field (RFC 9112 section 3.2.2).
                value = authority;
            } else {
                facts.note(name.of(raw), value.of(&self.raw), line.version, policy)?;
            }
            self.fields.push((name, value));
        }
        if facts.cookies > 1 {
            self.join_cookies();
        }
        facts.settle_message(self, policy)
    }

    /// Joins the lines of a folded value, with a blank between them.
    #[cold]
    fn unfold(&mut self, raw: &[u8], value: Span, rest: &mut &[Span]) -> Span {
        let start = self.raw.len();
        self.raw.extend_from_slice(value.of(raw));
        while let Some((&next, after)) = rest.split_first()
            && goes_on(raw[next.start()])
        {
            self.raw.push(b' ');
            self.raw.extend_from_slice(field::trim(next.of(raw)));
            *rest = after;
        }
        // The first line may have been empty.
        let joined = field::trim(&self.raw[start..]);
        Span::within(&self.raw, joined)
    }
}

#[cfg(test)]
#[path = "tests/head.rs"]
mod tests;
