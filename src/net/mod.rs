//! Listening sockets, addresses, and the bytes of connections with and without
//! TLS.

mod address;
mod listener;
mod tls;
mod transport;

pub use address::{Address, split_host_and_port};
pub use listener::{BindError, Listener, ListenerOptions, Peer, bind_with_retries};
pub use tls::{ClientCertificate, ClientCertificates, Tls, TlsFacts, TlsOptions};
pub use transport::Transport;
