//! The addresses of syslog and of statsd.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::check::system_text;
use super::value::{FromValue, ToValue, Value};
use crate::log::{StatsdAddress, SyslogAddress};
use crate::net::split_host_and_port;

/// What the address of a unix socket begins with.
const UNIX: &str = "unix://";
/// What follows the path of a socket that takes datagrams, and of one that does not.
const DATAGRAM: &[u8] = b"#dgram";
const STREAM: &[u8] = b"#stream";

/// The port of syslog (RFC 5426).
const SYSLOG_PORT: u16 = 514;
/// The port of statsd.
const STATSD_PORT: u16 = 8125;

/// The syslog daemon on this machine, by UDP.
pub fn default_syslog_address() -> SyslogAddress {
    SyslogAddress::Udp("localhost".to_owned(), SYSLOG_PORT)
}

/// Reads `unix://PATH[#dgram|#stream]`, `udp://HOST[:PORT]` or
/// `tcp://HOST[:PORT]`.
pub fn syslog_address(value: Value) -> Result<SyslogAddress, String> {
    let wrong = || {
        format!(
            "{value} is no syslog address; write unix://PATH, udp://HOST:PORT or tcp://HOST:PORT"
        )
    };
    let text = system_text(value.clone()).map_err(|_| wrong())?;
    if let Some(rest) = text.as_bytes().strip_prefix(UNIX.as_bytes()) {
        let (path, of_path): (_, fn(PathBuf) -> _) = if let Some(path) = rest.strip_suffix(DATAGRAM)
        {
            (path, SyslogAddress::UnixDatagram)
        } else if let Some(path) = rest.strip_suffix(STREAM) {
            (path, SyslogAddress::UnixStream)
        } else {
            (rest, SyslogAddress::Unix)
        };
        return match path.is_empty() {
            true => Err(wrong()),
            false => Ok(of_path(OsStr::from_bytes(path).into())),
        };
    }
    let text = text.to_str().ok_or_else(wrong)?;
    let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
    let of_host = match scheme {
        "udp" => SyslogAddress::Udp,
        "tcp" => SyslogAddress::Tcp,
        _ => return Err(wrong()),
    };
    let (host, port) = host_and_port(rest, SYSLOG_PORT).ok_or_else(wrong)?;
    Ok(of_host(host, port))
}

impl ToValue for SyslogAddress {
    fn to_value(&self) -> Value {
        match self {
            Self::Unix(path) => unix(path, b""),
            Self::UnixDatagram(path) => unix(path, DATAGRAM),
            Self::UnixStream(path) => unix(path, STREAM),
            Self::Udp(host, port) => Value::Str(format!("udp://{}", netloc(host, *port))),
            Self::Tcp(host, port) => Value::Str(format!("tcp://{}", netloc(host, *port))),
        }
    }
}

/// A facility of syslog (RFC 5424, 6.2.1), by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyslogFacility(u8);

impl SyslogFacility {
    /// The names of Python's `logging.handlers.SysLogHandler`, in the order of their
    /// numbers.
    pub const NAMES: &'static [&'static str] = &[
        "kern",
        "user",
        "mail",
        "daemon",
        "auth",
        "syslog",
        "lpr",
        "news",
        "uucp",
        "cron",
        "authpriv",
        "ftp",
        "ntp",
        "security",
        "console",
        "solaris-cron",
        "local0",
        "local1",
        "local2",
        "local3",
        "local4",
        "local5",
        "local6",
        "local7",
    ];

    pub const USER: Self = Self(1);

    /// The number in a message's priority.
    pub fn number(self) -> u8 {
        self.0
    }
}

impl FromValue for SyslogFacility {
    /// Reads a name.
    fn from_value(value: Value) -> Result<Self, String> {
        let Value::Str(text) = &value else {
            return Err(format!("{value} is not the name of a syslog facility"));
        };
        let name = text.trim().to_ascii_lowercase();
        let found = Self::NAMES.iter().position(|known| *known == name);
        match found {
            Some(number) => Ok(Self(number as u8)),
            None => Err(format!(
                "there is no syslog facility {value}; take one of {}",
                Self::NAMES.join(", ")
            )),
        }
    }
}

impl ToValue for SyslogFacility {
    fn to_value(&self) -> Value {
        let name = SyslogFacility::NAMES[usize::from(self.0)];
        Value::Str(name.to_owned())
    }
}

/// Reads `HOST[:PORT]` or `unix://PATH`; as in Gunicorn, `unix:8125` is the host
/// of that name.
pub fn statsd_address(value: Value) -> Result<Option<StatsdAddress>, String> {
    let wrong = || format!("{value} is no statsd address; write HOST:PORT or unix://PATH");
    if value == Value::None {
        return Ok(None);
    }
    let text = system_text(value.clone()).map_err(|_| wrong())?;
    if let Some(path) = text.as_bytes().strip_prefix(b"unix:") {
        let path = path.strip_prefix(b"//").unwrap_or(path);
        let path = OsStr::from_bytes(path);
        let is_port = path
            .to_str()
            .is_some_and(|text| text.parse::<u16>().is_ok());
        if path.is_empty() {
            return Err(wrong());
        }
        if !is_port {
            return Ok(Some(StatsdAddress::Unix(path.into())));
        }
    }
    let text = text.to_str().ok_or_else(wrong)?;
    let (host, port) = host_and_port(text, STATSD_PORT).ok_or_else(wrong)?;
    Ok(Some(StatsdAddress::Udp(host, port)))
}

impl ToValue for StatsdAddress {
    fn to_value(&self) -> Value {
        match self {
            Self::Udp(host, port) => Value::Str(netloc(host, *port)),
            Self::Unix(path) => unix(path, b""),
        }
    }
}

/// `HOST`, `HOST:PORT`, `[IPV6]` or `[IPV6]:PORT`, each also after `udp://`.
fn host_and_port(text: &str, default: u16) -> Option<(String, u16)> {
    let text = text.strip_prefix("udp://").unwrap_or(text);
    let (host, port) = split_host_and_port(text).filter(|(host, _)| !host.is_empty())?;
    let port = port.map_or(Some(default), |port| port.parse().ok())?;
    Some((host.to_ascii_lowercase(), port))
}

fn unix(path: &Path, ending: &[u8]) -> Value {
    let mut text = OsString::from(UNIX);
    text.push(path);
    text.push(OsStr::from_bytes(ending));
    text.into()
}

fn netloc(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn str(text: &str) -> Value {
        Value::Str(text.to_owned())
    }

    #[test]
    fn syslog_addresses_are_read_and_shown() {
        for text in [
            "udp://localhost:514",
            "tcp://[::1]:6514",
            "unix:///dev/log",
            "unix:///dev/log#stream",
            "unix:///dev/log#dgram",
        ] {
            assert_eq!(syslog_address(str(text)).unwrap().to_value(), str(text));
        }
        let short = syslog_address(str("udp://LOCALHOST"));
        assert_eq!(short, Ok(default_syslog_address()));
        for text in [
            "localhost:514",
            "udp://",
            "udp://h:x",
            "unix://",
            "http://h",
        ] {
            assert!(syslog_address(str(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn facilities_have_their_numbers() {
        assert_eq!(
            SyslogFacility::from_value(str("LOCAL7")).unwrap().number(),
            23
        );
        assert_eq!(
            SyslogFacility::from_value(str("user")),
            Ok(SyslogFacility::USER)
        );
        assert!(SyslogFacility::from_value(str("local8")).is_err());
    }

    #[test]
    fn statsd_addresses_are_read() {
        let udp = |host: &str, port| Ok(Some(StatsdAddress::Udp(host.to_owned(), port)));
        assert_eq!(statsd_address(str("stats")), udp("stats", 8125));
        assert_eq!(statsd_address(str("unix:8125")), udp("unix", 8125));
        assert_eq!(statsd_address(str("[::1]:9")), udp("::1", 9));
        let unix = Ok(Some(StatsdAddress::Unix("/run/stats".into())));
        assert_eq!(statsd_address(str("unix:///run/stats")), unix);
        assert_eq!(statsd_address(Value::None), Ok(None));
        assert!(statsd_address(str("host:port")).is_err());
    }
}
