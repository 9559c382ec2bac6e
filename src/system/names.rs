//! Addresses of hosts that are named.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use super::text_file::read_text;

/// The socket addresses of a host, by name or by number; one at least.
///
/// The names of this machine itself need no resolver, which would ask a
/// stranger for them where no /etc/hosts has them (RFC 6761, section 6.3).
///
/// # Errors
/// The system's resolver knows none.
pub fn addresses(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let is_known = || read_text("/etc/hosts").is_ok_and(|file| has(&file, host));
    if is_localhost(host) && !is_known() {
        let ours = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        return Ok(ours.map(|address| SocketAddr::new(address, port)).to_vec());
    }
    let known: Vec<_> = (host, port).to_socket_addrs()?.collect();
    match known.is_empty() {
        false => Ok(known),
        true => Err(io::Error::new(
            io::ErrorKind::NotFound,
            "the name has no address",
        )),
    }
}

/// `localhost`, and all names that end in it.
fn is_localhost(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

/// Whether a file in the form of hosts(5) has this name.
fn has(file: &str, host: &str) -> bool {
    let lines = file.lines().filter_map(|line| line.split('#').next());
    lines
        .flat_map(|line| line.split_whitespace().skip(1))
        .any(|name| name.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine() {
        for host in ["localhost", "LocalHost", "localhost.", "a.b.localhost"] {
            assert!(is_localhost(host), "{host}");
        }
        for host in ["localhost.example", "mylocalhost", "", ".", "127.0.0.1"] {
            assert!(!is_localhost(host), "{host}");
        }
        let known = addresses("nobody-has-this.localhost", 80).unwrap();
        let text = ["127.0.0.1:80", "[::1]:80"];
        assert_eq!(
            known.iter().map(SocketAddr::to_string).collect::<Vec<_>>(),
            text
        );
    }

    #[test]
    fn a_hosts_file_has_names_behind_addresses() {
        let file = "# 127.0.0.1 localhost\n127.0.0.2\ta.localhost  Two # three\n\n::1\n";
        for (host, there) in [
            ("a.localhost", true),
            ("two", true),
            ("three", false),
            ("localhost", false),
            ("127.0.0.2", false),
            ("::1", false),
        ] {
            assert_eq!(has(file, host), there, "{host}");
        }
    }
}
