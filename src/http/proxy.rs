//! The PROXY protocol, versions 1 and 2, as in HAProxy's `proxy-protocol.txt`:
//! a header before the client's first byte, in which a proxy states the
//! client's address.

use super::error::{Error, printable};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The accepted versions (`proxy_protocol`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyMode {
    #[default]
    Off,
    V1,
    V2,
    Auto,
}

/// The start of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyStart {
    /// More bytes are needed.
    NeedMore,
    /// There is no header; these are the client's bytes.
    Absent,
    /// A header of this many bytes.
    Header(ProxyHeader, usize),
}

/// The content of a PROXY header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// The connection is the proxy's own, or its client is unknown. The
    /// client's address is that of the peer.
    Local,
    Addresses {
        /// The client.
        source: SocketAddr,
        /// The address that the client connected to.
        destination: SocketAddr,
    },
}

impl ProxyHeader {
    /// The value of Gunicorn's `PROXY_PROTOCOL` in the environ.
    pub fn name(&self) -> &'static str {
        match self {
            ProxyHeader::Local => "LOCAL",
            ProxyHeader::Addresses { source, .. } if source.is_ipv4() => "TCP4",
            ProxyHeader::Addresses { .. } => "TCP6",
        }
    }
}

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const PREFIX: &[u8; 6] = b"PROXY ";

/// The longest line of version 1, with its CRLF.
const LONGEST_LINE: usize = 107;

/// Looks for a header at the start of the bytes of a connection. `allowed` is
/// whether the peer may send one (`proxy_allow_ips`).
pub fn proxy_start(bytes: &[u8], mode: ProxyMode, allowed: bool) -> Result<ProxyStart, Error> {
    let (v1, v2) = match mode {
        ProxyMode::Off => return Ok(ProxyStart::Absent),
        ProxyMode::V1 => (true, false),
        ProxyMode::V2 => (false, true),
        ProxyMode::Auto => (true, true),
    };
    for (wanted, mark) in [(v1, &PREFIX[..]), (v2, SIGNATURE)] {
        if !wanted {
            continue;
        }
        if bytes.starts_with(mark) {
            return match allowed {
                true if mark == PREFIX => version_1(bytes),
                true => version_2(bytes),
                false => Err(Error::ProxyForbidden),
            };
        }
        if mark.starts_with(bytes) {
            return Ok(ProxyStart::NeedMore);
        }
    }
    Ok(ProxyStart::Absent)
}

fn version_1(bytes: &[u8]) -> Result<ProxyStart, Error> {
    let seen = &bytes[..bytes.len().min(LONGEST_LINE)];
    let Some(line_feed) = memchr::memchr(b'\n', seen) else {
        if bytes.len() >= LONGEST_LINE {
            return Err(Error::ProxyLine(printable(seen)));
        }
        return Ok(ProxyStart::NeedMore);
    };
    let header = seen[..line_feed]
        .strip_suffix(b"\r")
        .and_then(|line| std::str::from_utf8(line).ok())
        .and_then(line_1);
    match header {
        Some(header) => Ok(ProxyStart::Header(header, line_feed + 1)),
        None => Err(Error::ProxyLine(printable(&seen[..line_feed]))),
    }
}

/// `PROXY TCP4 source destination port port` or `PROXY UNKNOWN ...`.
fn line_1(line: &str) -> Option<ProxyHeader> {
    let mut words = line.split(' ').skip(1);
    let family = words.next()?;
    if family == "UNKNOWN" {
        return Some(ProxyHeader::Local);
    }
    let mut address = || -> Option<IpAddr> {
        let word = words.next()?;
        match family {
            "TCP4" => word.parse::<Ipv4Addr>().ok().map(IpAddr::from),
            "TCP6" => word.parse::<Ipv6Addr>().ok().map(IpAddr::from),
            _ => None,
        }
    };
    let (source, destination) = (address()?, address()?);
    let mut port = || -> Option<u16> {
        let word = words.next()?;
        // `parse` would accept a sign.
        let digits = word.bytes().all(|b| b.is_ascii_digit());
        word.parse().ok().filter(|_| digits)
    };
    let (source_port, destination_port) = (port()?, port()?);
    if words.next().is_some() {
        return None;
    }
    Some(ProxyHeader::Addresses {
        source: (source, source_port).into(),
        destination: (destination, destination_port).into(),
    })
}

/// The header has a signature, version and command, family and protocol,
/// length, addresses, and then type-length-value fields, which are skipped.
fn version_2(bytes: &[u8]) -> Result<ProxyStart, Error> {
    let Some((&[version_command, family_protocol, high, low], rest)) =
        bytes[SIGNATURE.len()..].split_first_chunk()
    else {
        return Ok(ProxyStart::NeedMore);
    };
    if version_command >> 4 != 2 {
        return Err(Error::ProxyHeader("its version is not 2"));
    }
    let length = usize::from(u16::from_be_bytes([high, low]));
    let end = SIGNATURE.len() + 4 + length;
    let Some(addresses) = rest.get(..length) else {
        return Ok(ProxyStart::NeedMore);
    };
    let header = match version_command & 0xf {
        0 => ProxyHeader::Local,
        1 => addresses_2(family_protocol, addresses)?,
        _ => return Err(Error::ProxyHeader("its command is neither LOCAL nor PROXY")),
    };
    Ok(ProxyStart::Header(header, end))
}

fn addresses_2(family_protocol: u8, bytes: &[u8]) -> Result<ProxyHeader, Error> {
    const SHORT: Error = Error::ProxyHeader("its addresses are cut off");
    let (source, destination, ports): (IpAddr, IpAddr, &[u8]) = match family_protocol {
        // An unspecified family, or a unix socket, which has no address.
        0x00 | 0x31 => return Ok(ProxyHeader::Local),
        0x11 => {
            let (source, rest) = bytes.split_first_chunk::<4>().ok_or(SHORT)?;
            let (destination, ports) = rest.split_first_chunk::<4>().ok_or(SHORT)?;
            ((*source).into(), (*destination).into(), ports)
        }
        0x21 => {
            let (source, rest) = bytes.split_first_chunk::<16>().ok_or(SHORT)?;
            let (destination, ports) = rest.split_first_chunk::<16>().ok_or(SHORT)?;
            ((*source).into(), (*destination).into(), ports)
        }
        _ => return Err(Error::ProxyHeader("it is not of a TCP or unix connection")),
    };
    let [a, b, c, d, ..] = *ports else {
        return Err(SHORT);
    };
    Ok(ProxyHeader::Addresses {
        source: (source, u16::from_be_bytes([a, b])).into(),
        destination: (destination, u16::from_be_bytes([c, d])).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The result for all bytes, after a check that no shorter part gives
    /// another result.
    fn start(bytes: &[u8], mode: ProxyMode) -> Result<ProxyStart, Error> {
        let whole = proxy_start(bytes, mode, true);
        for end in 0..bytes.len() {
            match proxy_start(&bytes[..end], mode, true) {
                Ok(ProxyStart::NeedMore) => {}
                result @ Ok(_) => assert_eq!(result, whole, "after {end}"),
                Err(_) => assert!(whole.is_err(), "after {end}"),
            }
        }
        whole
    }

    fn addresses(source: &str, destination: &str) -> ProxyHeader {
        ProxyHeader::Addresses {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
        }
    }

    #[test]
    fn lines() {
        for (line, header) in [
            (
                "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443",
                addresses("192.168.0.1:56324", "192.168.0.11:443"),
            ),
            (
                "PROXY TCP6 2001:db8::1 ::1 1 0",
                addresses("[2001:db8::1]:1", "[::1]:0"),
            ),
            ("PROXY UNKNOWN", ProxyHeader::Local),
            ("PROXY UNKNOWN a b c", ProxyHeader::Local),
        ] {
            let text = format!("{line}\r\nGET /");
            assert_eq!(
                start(text.as_bytes(), ProxyMode::Auto),
                Ok(ProxyStart::Header(header, line.len() + 2))
            );
        }
        for line in [
            "PROXY",
            "PROXY ",
            "PROXY TCP4 192.168.0.1 192.16...",
            "PROXY TCP4 not-an-ip 192.168.0.11 56324 443",
            "PROXY TCP4 ::1 ::1 1 1",
            "PROXY TCP6 1.2.3.4 1.2.3.4 1 1",
            "PROXY TCP4 1.2.3.4 1.2.3.4 65iii 1",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536",
            "PROXY TCP4 1.2.3.4 1.2.3.4 +1 1",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 1 1",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1",
            "PROXY  TCP4 1.2.3.4 1.2.3.4 1 1",
            "PROXY tcp4 1.2.3.4 1.2.3.4 1 1",
            "PROXY UDP4 1.2.3.4 1.2.3.4 1 1",
        ] {
            let result = start(format!("{line}\r\n").as_bytes(), ProxyMode::V1);
            let absent = line == "PROXY" && result == Ok(ProxyStart::Absent);
            assert!(
                absent || matches!(result, Err(Error::ProxyLine(_))),
                "{line}"
            );
        }
        let bare = start(b"PROXY UNKNOWN\n", ProxyMode::V1);
        assert!(matches!(bare, Err(Error::ProxyLine(_))));
        let endless = format!("PROXY {}", "a".repeat(200));
        assert!(start(endless.as_bytes(), ProxyMode::V1).is_err());
    }

    fn binary(version_command: u8, family_protocol: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([version_command, family_protocol, 0, rest.len() as u8]);
        bytes.extend(rest);
        bytes
    }

    #[test]
    fn binary_headers() {
        let v4 = [192, 168, 1, 10, 192, 168, 1, 1, 0x30, 0x39, 0x01, 0xbb];
        let mut with_field = v4.to_vec();
        with_field.extend([4, 0, 1, 0]);
        let mut v6 = [0; 36];
        (v6[15], v6[31], v6[33], v6[35]) = (1, 2, 80, 81);
        let inet = addresses("192.168.1.10:12345", "192.168.1.1:443");
        for (bytes, header) in [
            (binary(0x21, 0x11, &v4), inet),
            (binary(0x21, 0x11, &with_field), inet),
            (binary(0x21, 0x21, &v6), addresses("[::1]:80", "[::2]:81")),
            (binary(0x20, 0x00, b""), ProxyHeader::Local),
            (binary(0x20, 0x11, &v4), ProxyHeader::Local),
            (binary(0x21, 0x00, b""), ProxyHeader::Local),
            (binary(0x21, 0x31, &[0; 216]), ProxyHeader::Local),
        ] {
            let length = bytes.len();
            let followed = [&bytes[..], b"GET /"].concat();
            assert_eq!(
                start(&followed, ProxyMode::Auto),
                Ok(ProxyStart::Header(header, length))
            );
        }
        for bytes in [
            binary(0x11, 0x11, &v4),
            binary(0x22, 0x11, &v4),
            binary(0x21, 0x12, &v4),
            binary(0x21, 0x41, &v4),
            binary(0x21, 0x11, &v4[..11]),
            binary(0x21, 0x21, &v6[..35]),
        ] {
            assert!(matches!(
                start(&bytes, ProxyMode::V2),
                Err(Error::ProxyHeader(_))
            ));
        }
    }

    #[test]
    fn only_what_is_looked_for_and_allowed() {
        let line = b"PROXY UNKNOWN\r\n";
        let absent = Ok(ProxyStart::Absent);
        assert_eq!(proxy_start(line, ProxyMode::Off, true), absent);
        assert_eq!(proxy_start(line, ProxyMode::V2, true), absent);
        assert_eq!(proxy_start(SIGNATURE, ProxyMode::V1, true), absent);
        assert_eq!(proxy_start(b"POST / HTTP", ProxyMode::Auto, false), absent);
        let forbidden = Err(Error::ProxyForbidden);
        assert_eq!(proxy_start(line, ProxyMode::Auto, false), forbidden);
        assert_eq!(proxy_start(SIGNATURE, ProxyMode::Auto, false), forbidden);
    }
}
