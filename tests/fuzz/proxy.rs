//! The PROXY protocol: no part of a header means something else than the whole, and an
//! accepted header can be written again.

use crate::http::{ProxyHeader, ProxyMode, ProxyStart, proxy_start};
use crate::pieces::Choices;
use std::net::{IpAddr, SocketAddr};

pub fn check(input: &[u8]) {
    let Some((choices, bytes)) = Choices::split(input) else {
        return;
    };
    let mode = match choices.settings % 4 {
        0 => ProxyMode::Auto,
        1 => ProxyMode::V1,
        2 => ProxyMode::V2,
        _ => ProxyMode::Off,
    };
    let allowed = !choices.has(7);
    let whole = proxy_start(bytes, mode, allowed);
    let mut end = 0;
    for piece in choices.pieces(bytes) {
        end += piece.len();
        match proxy_start(&bytes[..end], mode, allowed) {
            Ok(ProxyStart::NeedMore) => {}
            // A line without end is refused with another error than a wrong one.
            Err(_) => {
                assert!(whole.is_err(), "refused after {end} bytes, later not");
                break;
            }
            said => {
                assert_eq!(said, whole, "said after {end} bytes");
                break;
            }
        }
    }
    let Ok(ProxyStart::Header(header, size)) = whole else {
        return;
    };
    assert!(allowed && mode != ProxyMode::Off && size <= bytes.len());
    let ProxyHeader::Addresses {
        source,
        destination,
    } = header
    else {
        return;
    };
    assert_eq!(source.is_ipv4(), destination.is_ipv4());
    for text in [
        line(header.name(), source, destination),
        binary(source, destination),
    ] {
        assert_eq!(
            proxy_start(&text, ProxyMode::Auto, true),
            Ok(ProxyStart::Header(header, text.len()))
        );
    }
}

fn line(family: &str, source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let (from, to) = (source.ip(), destination.ip());
    let (from_port, to_port) = (source.port(), destination.port());
    format!("PROXY {family} {from} {to} {from_port} {to_port}\r\n").into_bytes()
}

fn binary(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let mut addresses = Vec::new();
    for address in [source, destination] {
        match address.ip() {
            IpAddr::V4(address) => addresses.extend(address.octets()),
            IpAddr::V6(address) => addresses.extend(address.octets()),
        }
    }
    addresses.extend(source.port().to_be_bytes());
    addresses.extend(destination.port().to_be_bytes());
    let family = if source.is_ipv4() { 0x11 } else { 0x21 };
    let mut text = b"\r\n\r\n\0\r\nQUIT\n\x21".to_vec();
    text.extend([family, 0, addresses.len() as u8]);
    text.extend(addresses);
    text
}
