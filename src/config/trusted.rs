//! The peers that are trusted to say who the client is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

use super::value::{FromValue, ToValue, Value};

/// The peers that are trusted: everyone, or those in some networks.
///
/// The caller decides about a peer without an address, over a unix socket; Gunicorn
/// always trusts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustedPeers {
    Everyone,
    Networks(Vec<IpNet>),
}

impl TrustedPeers {
    /// This machine, over IPv4 and IPv6.
    pub fn local() -> Self {
        let addresses = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        Self::Networks(addresses.map(IpAddr::into).to_vec())
    }

    /// Whether this peer is one of them. An IPv4 address that is written as an
    /// IPv6 one counts as the IPv4 one.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        match self {
            Self::Everyone => true,
            Self::Networks(networks) => {
                let peer = peer.to_canonical();
                networks.iter().any(|network| network.contains(&peer))
            }
        }
    }
}

impl FromValue for TrustedPeers {
    /// Reads `*`, or addresses and networks with commas between them.
    fn from_value(raw: Value) -> Result<Self, String> {
        let Value::Str(text) = raw else {
            return Err(format!("{raw} is not text"));
        };
        let mut networks = Vec::new();
        for item in text.split(',').map(str::trim) {
            match item {
                "*" => return Ok(Self::Everyone),
                "" => {}
                item => networks.push(network(item)?),
            }
        }
        Ok(Self::Networks(networks))
    }
}

/// Reads an address, or a network whose host bits are zero. An IPv4 one that is
/// written as IPv6 (RFC 4291, 2.5.5.2) becomes IPv4.
fn network(text: &str) -> Result<IpNet, String> {
    let wrong = || format!("'{text}' is neither an address nor a network such as 10.0.0.0/8");
    let Some((address, prefix)) = text.split_once('/') else {
        let address: IpAddr = text.parse().map_err(|_| wrong())?;
        return Ok(address.to_canonical().into());
    };
    let address = address.parse().map_err(|_| wrong())?;
    let prefix = prefix.parse().map_err(|_| wrong())?;
    let network = IpNet::new(address, prefix).map_err(|_| wrong())?;
    if network.addr() != network.network() {
        return Err(format!(
            "'{text}' has bits set after the first {prefix}; they must be zero"
        ));
    }
    let mapped = match (address.to_canonical(), prefix.checked_sub(96)) {
        (IpAddr::V4(address), Some(prefix)) if network.max_prefix_len() == 128 => {
            Ipv4Net::new(address, prefix).ok()
        }
        _ => None,
    };
    Ok(mapped.map_or(network, IpNet::V4))
}

/// Header fields that a trusted peer may name with an underscore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(Vec<String>);

impl Names {
    /// `SCRIPT_NAME` and `PATH_INFO`, as Gunicorn has it.
    pub fn of_paths() -> Self {
        Self(["SCRIPT_NAME", "PATH_INFO"].map(str::to_owned).to_vec())
    }

    /// The names; `*` stands for all.
    pub fn list(&self) -> &[String] {
        &self.0
    }
}

impl FromValue for Names {
    /// Reads names with commas between them.
    fn from_value(value: Value) -> Result<Self, String> {
        let Value::Str(text) = value else {
            return Err(format!("{value} is not text"));
        };
        let names = text.split(',').map(|name| name.trim().to_ascii_uppercase());
        Ok(Self(names.filter(|name| !name.is_empty()).collect()))
    }
}

impl ToValue for Names {
    fn to_value(&self) -> Value {
        Value::Str(self.0.join(","))
    }
}

impl ToValue for TrustedPeers {
    fn to_value(&self) -> Value {
        Value::Str(match self {
            Self::Everyone => "*".to_owned(),
            Self::Networks(networks) => {
                let shown = |network: &IpNet| match network.prefix_len() {
                    length if length == network.max_prefix_len() => network.addr().to_string(),
                    _ => network.to_string(),
                };
                networks.iter().map(shown).collect::<Vec<_>>().join(",")
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(text: &str) -> Result<TrustedPeers, String> {
        TrustedPeers::from_value(Value::Str(text.to_owned()))
    }

    fn trusts(text: &str, peer: &str) -> bool {
        peers(text).unwrap().trusts(peer.parse().unwrap())
    }

    #[test]
    fn addresses_and_networks_are_trusted() {
        assert!(trusts("127.0.0.1,::1", "127.0.0.1"));
        for peer in ["127.0.0.1", "::ffff:127.0.0.1"] {
            assert!(trusts("127.0.0.1", peer));
            assert!(trusts("::ffff:127.0.0.1", peer));
            assert!(trusts("::ffff:127.0.0.0/104", peer));
            assert!(!trusts("::ffff:127.0.0.2", peer));
            assert!(!trusts("::ffff:10.0.0.0/104", peer));
        }
        assert!(trusts("127.0.0.1,::1", "::1"));
        assert!(!trusts("127.0.0.1,::1", "127.0.0.2"));
        assert!(trusts("10.0.0.0/8, fd00::/8", "10.255.0.1"));
        assert!(trusts("10.0.0.0/8, fd00::/8", "fd12::1"));
        assert!(!trusts("10.0.0.0/8", "11.0.0.1"));
        assert!(trusts("0.0.0.0/0", "8.8.8.8"));
        assert!(!trusts("0.0.0.0/0", "::1"));
        assert!(trusts("*", "8.8.8.8"));
        assert!(!trusts("", "127.0.0.1"));
    }

    #[test]
    fn wrong_networks_are_named() {
        for text in ["localhost", "10.0.0.0/33", "10.0.0.0/x", "10.0.0.1/8"] {
            assert!(peers(text).unwrap_err().contains(text));
        }
    }

    #[test]
    fn the_default_is_shown_as_gunicorns() {
        assert_eq!(TrustedPeers::local().to_value().plain(), "127.0.0.1,::1");
        assert_eq!(
            peers("10.0.0.0/8").unwrap().to_value().plain(),
            "10.0.0.0/8"
        );
    }
}
