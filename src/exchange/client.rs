//! Who is at the other end of a connection, and where it arrived.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The peer of a connection.
#[derive(Debug)]
pub struct Client {
    /// Nothing over a unix socket.
    pub ip: Option<IpAddr>,
    /// Empty over a unix socket.
    pub address: String,
    pub port: Option<u16>,
    /// True for a proxy whose fields about the request are believed.
    pub trusted: bool,
    /// True if it may send a PROXY header.
    pub may_proxy: bool,
    /// The listener that it came by; nothing for a unix socket.
    pub server: Option<Arc<Server>>,
}

/// Where a listener is bound, as requests are told.
#[derive(Debug)]
pub struct Server {
    pub address: SocketAddr,
    /// The address without its port.
    pub host: String,
}

impl Server {
    pub fn new(address: SocketAddr) -> Arc<Server> {
        let host = address.ip().to_string();
        Arc::new(Server { address, host })
    }
}
