//! Addresses whose word is taken for who the client is.

use std::fmt;
use std::net::IpAddr;

use super::value::{ToValue, Value};

/// The peers that are trusted: everyone, or those in some networks.
///
/// A peer without an address, over a unix socket, is for the caller to judge;
/// Gunicorn always trusts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustedPeers {
    Everyone,
    Networks(Vec<Network>),
}

/// An address and how many of its first bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u32,
}

impl TrustedPeers {
    /// This machine, over IPv4 and IPv6.
    pub fn local() -> Self {
        let addresses = [
            IpAddr::from([127, 0, 0, 1]),
            IpAddr::from([0u16, 0, 0, 0, 0, 0, 0, 1]),
        ];
        Self::Networks(addresses.map(Network::only).to_vec())
    }

    /// Whether this peer is one of them. An IPv4 address that is written as an
    /// IPv6 one counts as the IPv4 one.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        match self {
            Self::Everyone => true,
            Self::Networks(networks) => {
                let peer = peer.to_canonical();
                networks.iter().any(|network| network.contains(peer))
            }
        }
    }

    /// Reads `*`, or addresses and networks with commas between them.
    pub fn check(raw: Value) -> Result<Self, String> {
        let Value::Str(text) = raw else {
            return Err(format!("{raw} is not text"));
        };
        let mut networks = Vec::new();
        for item in text.split(',').map(str::trim) {
            match item {
                "*" => return Ok(Self::Everyone),
                "" => {}
                item => networks.push(Network::parse(item)?),
            }
        }
        Ok(Self::Networks(networks))
    }
}

impl Network {
    fn only(address: IpAddr) -> Self {
        Self {
            address,
            prefix: width(address),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is neither an address nor a network such as 10.0.0.0/8");
        let Some((address, prefix)) = text.split_once('/') else {
            let address: IpAddr = text.parse().map_err(|_| wrong())?;
            return Ok(Self::only(address.to_canonical()));
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let prefix = prefix.parse().map_err(|_| wrong())?;
        if prefix > width(address) {
            return Err(wrong());
        }
        let network = Self { address, prefix };
        if !network.host_bits_are_zero() {
            return Err(format!(
                "'{text}' has bits set after the first {prefix}; they must be zero"
            ));
        }
        Ok(network.canonical())
    }

    /// As an IPv4 network, if it is one that is written as an IPv6 one.
    fn canonical(self) -> Self {
        match (self.address.to_canonical(), self.prefix.checked_sub(96)) {
            (address @ IpAddr::V4(_), Some(prefix)) if self.address.is_ipv6() => {
                Self { address, prefix }
            }
            _ => self,
        }
    }

    fn contains(&self, peer: IpAddr) -> bool {
        let dropped = width(self.address) - self.prefix;
        self.address.is_ipv4() == peer.is_ipv4()
            && shift(bits(self.address), dropped) == shift(bits(peer), dropped)
    }

    fn host_bits_are_zero(&self) -> bool {
        let dropped = width(self.address) - self.prefix;
        bits(self.address).trailing_zeros() >= dropped
    }
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

    /// Reads names with commas between them.
    pub fn check(value: Value) -> Result<Self, String> {
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

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn shift(bits: u128, by: u32) -> u128 {
    bits.checked_shr(by).unwrap_or(0)
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        if self.prefix < width(self.address) {
            write!(f, "/{}", self.prefix)?;
        }
        Ok(())
    }
}

impl ToValue for TrustedPeers {
    fn to_value(&self) -> Value {
        Value::Str(match self {
            Self::Everyone => "*".to_owned(),
            Self::Networks(networks) => {
                let networks: Vec<_> = networks.iter().map(Network::to_string).collect();
                networks.join(",")
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(text: &str) -> Result<TrustedPeers, String> {
        TrustedPeers::check(Value::Str(text.to_owned()))
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
