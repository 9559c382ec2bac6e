//! The client's offers in `Sec-WebSocket-Extensions`, and the choice of one
//! (RFC 6455 section 9.1, RFC 7692 section 7).

/// The agreed parameters of permessage-deflate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    /// The server compresses each message without the ones before it.
    pub server_no_context_takeover: bool,
    /// The client does so.
    pub client_no_context_takeover: bool,
    /// The window of the server's compressed data, as a power of two.
    pub server_max_window_bits: u8,
    /// The window of the client's compressed data; nothing if the client cannot
    /// limit it, or was not asked to.
    pub client_max_window_bits: Option<u8>,
}

/// The server's window: smaller than zlib's 15, because the larger window would
/// cost more memory than it saves bytes.
const SERVER_BITS: u8 = 12;

const NAME: &str = "permessage-deflate";

impl Compression {
    /// The first offer that can be accepted, among the values of all
    /// `Sec-WebSocket-Extensions` fields; nothing without one. Malformed offers
    /// are declined and not fatal, which the RFC allows.
    pub fn choose<'a>(values: impl Iterator<Item = &'a [u8]>) -> Option<Compression> {
        values
            .filter_map(|value| std::str::from_utf8(value).ok())
            .flat_map(|value| value.split(','))
            .find_map(accept)
    }

    /// The value of the response's field `Sec-WebSocket-Extensions`.
    pub fn answer(&self) -> String {
        let mut text = NAME.to_owned();
        if self.server_no_context_takeover {
            text += "; server_no_context_takeover";
        }
        if self.client_no_context_takeover {
            text += "; client_no_context_takeover";
        }
        text += &format!("; server_max_window_bits={}", self.server_max_window_bits);
        if let Some(bits) = self.client_max_window_bits {
            text += &format!("; client_max_window_bits={bits}");
        }
        text
    }
}

fn accept(offer: &str) -> Option<Compression> {
    let mut parts = offer.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case(NAME) {
        return None;
    }
    let mut taken = Compression {
        server_no_context_takeover: false,
        client_no_context_takeover: false,
        server_max_window_bits: SERVER_BITS,
        client_max_window_bits: None,
    };
    let (mut server_bits, mut client_bits) = (None, None);
    for parameter in parts {
        let (name, value) = match parameter.split_once('=') {
            Some((name, value)) => (name.trim_end(), Some(unquoted(value.trim_start())?)),
            None => (parameter, None),
        };
        match (name.to_ascii_lowercase().as_str(), value) {
            ("server_no_context_takeover", None) if !taken.server_no_context_takeover => {
                taken.server_no_context_takeover = true;
            }
            ("client_no_context_takeover", None) if !taken.client_no_context_takeover => {
                taken.client_no_context_takeover = true;
            }
            ("server_max_window_bits", Some(value)) if server_bits.is_none() => {
                server_bits = Some(bits(value)?);
            }
            ("client_max_window_bits", value) if client_bits.is_none() => {
                client_bits = Some(value.map_or(Some(15), bits)?);
            }
            _ => return None,
        }
    }
    if let Some(bits) = server_bits {
        // zlib does not support a window of 256 bytes.
        if bits == 8 {
            return None;
        }
        taken.server_max_window_bits = bits.min(SERVER_BITS);
    }
    taken.client_max_window_bits = client_bits.map(|bits| bits.clamp(9, SERVER_BITS));
    // A client that offers 8 must not get a larger one.
    if client_bits == Some(8) {
        taken.client_max_window_bits = Some(8);
    }
    Some(taken)
}

fn unquoted(value: &str) -> Option<&str> {
    match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"'),
        None => Some(value),
    }
}

/// 8 to 15, without leading zeros (RFC 7692 section 7.1.2).
fn bits(value: &str) -> Option<u8> {
    let number: u8 = value.parse().ok()?;
    ((8..=15).contains(&number) && number.to_string() == value).then_some(number)
}
