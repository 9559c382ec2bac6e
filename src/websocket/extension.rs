//! What a client offers in `Sec-WebSocket-Extensions`, and what is taken
//! (RFC 6455 section 9.1, RFC 7692 section 7).

/// permessage-deflate as both sides will speak it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    /// We forget after each message what came before.
    pub server_no_context_takeover: bool,
    /// The client does.
    pub client_no_context_takeover: bool,
    /// How far back our compressed data may refer, as a power of two.
    pub server_max_window_bits: u8,
    /// How far back the client's may; nothing if it cannot be told to limit
    /// itself, or was not.
    pub client_max_window_bits: Option<u8>,
}

/// Our side's window: a smaller one than zlib's 15, for a connection that
/// sends little text costs more in memory than it saves in bytes.
const SERVER_BITS: u8 = 12;

const NAME: &str = "permessage-deflate";

impl Compression {
    /// The first offer that can be accepted, among the values of all
    /// `Sec-WebSocket-Extensions` fields; nothing without one. Offers that are
    /// malformed are declined, which the RFC allows, and not fatal.
    pub fn choose<'a>(values: impl Iterator<Item = &'a [u8]>) -> Option<Compression> {
        values
            .filter_map(|value| std::str::from_utf8(value).ok())
            .flat_map(|value| value.split(','))
            .find_map(accept)
    }

    /// The value of the response's field.
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
        // zlib cannot keep to a window of 256 bytes.
        if bits == 8 {
            return None;
        }
        taken.server_max_window_bits = bits.min(SERVER_BITS);
    }
    taken.client_max_window_bits = client_bits.map(|bits| bits.clamp(9, SERVER_BITS));
    // One that said 8 must not be told more.
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
