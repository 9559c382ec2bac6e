//! The client of a connection, and the listener that accepted it.

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
    /// True for a proxy whose fields about the request are believed
    /// (`forwarded_allow_ips`).
    pub trusted: bool,
    /// True if the client may send a PROXY header (`proxy_allow_ips`).
    pub may_proxy: bool,
    /// The listener that accepted it; nothing for a unix socket.
    pub server: Option<Arc<Server>>,
}

/// The address of a listener, as the app sees it.
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
