//! Listening sockets, what goes through the others, and TLS.

mod address;
mod file;
mod listener;
mod names;
mod tls;
mod transport;

pub use address::{Address, split_host_and_port};
pub use file::{Rest, rest_of};
pub use listener::{BindError, Listener, Making, Peer, bind_patiently};
pub use names::addresses;
pub use tls::{ClientCertificate, ClientCertificates, Tls, TlsFacts, TlsOptions};
pub use transport::Transport;
