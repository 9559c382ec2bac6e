//! Listening sockets, what goes through the others, and TLS.

mod address;
mod listener;
mod tls;
mod transport;

pub use address::{Address, split_host_and_port};
pub use listener::{BindError, Listener, Making, Peer, bind_patiently};
pub use tls::{ClientCertificate, ClientCertificates, Tls, TlsFacts, TlsOptions};
pub use transport::Transport;
