//! Addresses in the form of the `bind` setting.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::system::addresses;

/// The default port.
const DEFAULT_PORT: u16 = 8000;

/// Where to listen.
///
/// Its text has the form of Gunicorn's messages: `('127.0.0.1', 8000)`, or the
/// path of a unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A host, by name or by number, and a port. An empty host is every
    /// interface.
    Tcp { host: String, port: u16 },
    /// A unix socket.
    Unix(PathBuf),
    /// An abstract unix socket of Linux: its name, without the zero byte in
    /// front.
    Abstract(OsString),
    /// A listening socket that this process has inherited: its descriptor.
    Inherited(RawFd),
}

/// Why a text is not an address.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("'{0}' has no valid port number; give one from 0 to 65535")]
    Port(String),
    #[error("'{0}' names no file for the socket; write it as unix:PATH")]
    Path(String),
    #[error("'{0}' has a host that is neither a name nor a number; write [HOST]:PORT for IPv6")]
    Host(String),
    #[error("'{0}' names no descriptor; write it as fd://NUMBER")]
    Inherited(String),
}

impl Address {
    /// Reads `HOST`, `HOST:PORT`, `:PORT`, `[IPV6]:PORT`, each also after
    /// `tcp://`, or `unix:PATH`, or `unix://PATH` (`unix:@NAME` for an abstract
    /// socket), or `fd://NUMBER`. The port is 8000 when none is given.
    pub fn parse(text: &(impl AsRef<OsStr> + ?Sized)) -> Result<Self, AddressError> {
        let text = text.as_ref();
        let named = || text.display().to_string();
        if let Some(path) = text.as_bytes().strip_prefix(b"unix:") {
            let path = path.strip_prefix(b"//").unwrap_or(path);
            if let [b'@' | b'\0', name @ ..] = path
                && !name.is_empty()
            {
                return Ok(Self::Abstract(OsStr::from_bytes(name).to_owned()));
            }
            if path.is_empty() || path.contains(&0) {
                return Err(AddressError::Path(named()));
            }
            return Ok(Self::Unix(OsStr::from_bytes(path).into()));
        }
        let text = text.to_str().ok_or_else(|| AddressError::Host(named()))?;
        if let Some(number) = text.strip_prefix("fd://") {
            return match number.parse() {
                Ok(number @ 0..) => Ok(Self::Inherited(number)),
                _ => Err(AddressError::Inherited(text.to_owned())),
            };
        }
        let netloc = text.strip_prefix("tcp://").unwrap_or(text);
        let (host, port) =
            split_host_and_port(netloc).ok_or_else(|| AddressError::Host(text.to_owned()))?;
        let port = match port {
            None => DEFAULT_PORT,
            Some(port) => port
                .parse()
                .map_err(|_| AddressError::Port(text.to_owned()))?,
        };
        let host = host.to_ascii_lowercase();
        Ok(Self::Tcp { host, port })
    }

    /// The socket address of a host. For a name, its first IPv4 address, or
    /// else its first IPv6 address.
    pub(super) fn resolve(host: &str, port: u16) -> io::Result<SocketAddr> {
        if host.is_empty() {
            return Ok(SocketAddr::from(([0, 0, 0, 0], port)));
        }
        if let Ok(number) = host.parse::<IpAddr>() {
            return Ok(SocketAddr::new(number, port));
        }
        let known = addresses(host, port)?;
        let best = known.into_iter().min_by_key(SocketAddr::is_ipv6);
        Ok(best.expect("a host that is found has an address"))
    }
}

/// The two parts of `HOST`, `HOST:PORT`, `[IPV6]` or `[IPV6]:PORT`, of which the
/// host may be empty; nothing if the host cannot be one.
pub fn split_host_and_port(text: &str) -> Option<(&str, Option<&str>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            match after.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if after.is_empty() => (host, None),
                None => return None,
            }
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let is_odd = |c: char| c.is_whitespace() || "/[]\0".contains(c);
    (!host.contains(is_odd)).then_some((host, port))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => write!(f, "('{host}', {port})"),
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Abstract(name) => write!(f, "@{}", name.display()),
            Self::Inherited(number) => write!(f, "fd://{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Result<Address, AddressError> {
        let host = host.to_owned();
        Ok(Address::Tcp { host, port })
    }

    #[test]
    fn tcp_addresses_are_gunicorns() {
        for (text, host, port) in [
            ("127.0.0.1:80", "127.0.0.1", 80),
            ("127.0.0.1", "127.0.0.1", 8000),
            ("tcp://127.0.0.1:80", "127.0.0.1", 80),
            ("LocalHost:0", "localhost", 0),
            (":5000", "", 5000),
            ("", "", 8000),
            ("[::1]:80", "::1", 80),
            ("[::]", "::", 8000),
            ("tcp://[::1]:80", "::1", 80),
        ] {
            assert_eq!(Address::parse(text), tcp(host, port), "{text}");
        }
    }

    #[test]
    fn unix_addresses_have_two_forms() {
        for text in ["unix:/tmp/s.sock", "unix:///tmp/s.sock"] {
            assert_eq!(
                Address::parse(text),
                Ok(Address::Unix("/tmp/s.sock".into()))
            );
        }
        assert_eq!(Address::parse("unix:s"), Ok(Address::Unix("s".into())));
        for text in ["unix:@s", "unix:\0s"] {
            assert_eq!(Address::parse(text), Ok(Address::Abstract("s".into())));
        }
        assert!(matches!(
            Address::parse("unix:"),
            Err(AddressError::Path(_))
        ));
    }

    #[test]
    fn a_descriptor_is_an_address() {
        assert_eq!(Address::parse("fd://3"), Ok(Address::Inherited(3)));
        assert!(Address::parse("fd://-1").is_err());
        assert!(Address::parse("fd://three").is_err());
    }

    #[test]
    fn wrong_addresses_are_named() {
        for text in ["h:http", "h:", "h:65536", "h:-1", "::1", "h:80:80"] {
            let text = text.to_owned();
            assert_eq!(Address::parse(&text), Err(AddressError::Port(text)));
        }
        for text in ["[::1", "[::1]x", "http://a", "a b:80", "[a]b]:80"] {
            let error = Address::parse(text);
            assert!(error.is_err(), "{text}: {error:?}");
        }
        assert_eq!(
            Address::parse("h:http").unwrap_err().to_string(),
            "'h:http' has no valid port number; give one from 0 to 65535"
        );
    }

    #[test]
    fn a_numeric_host_needs_no_resolver() {
        let resolved = Address::resolve("::1", 80).unwrap();
        assert_eq!(resolved.to_string(), "[::1]:80");
        assert_eq!(Address::resolve("", 1).unwrap().to_string(), "0.0.0.0:1");
    }

    #[test]
    fn messages_name_an_address_as_python_does() {
        let text = |address| Address::parse(address).unwrap().to_string();
        assert_eq!(text("127.0.0.1:80"), "('127.0.0.1', 80)");
        assert_eq!(text("[::1]:80"), "('::1', 80)");
        assert_eq!(text("unix:/tmp/s"), "/tmp/s");
    }
}
