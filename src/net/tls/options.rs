//! What the settings say of TLS.

use std::path::PathBuf;

/// The settings of TLS, under Gunicorn's names if it has them.
#[derive(Clone, Debug)]
pub struct TlsOptions {
    /// A PEM file with a certificate and its chain; or a folder with several,
    /// from which the client's server name chooses one.
    pub certfile: PathBuf,
    /// The PEM file of the key; nothing if the key is in `certfile`.
    pub keyfile: Option<PathBuf>,
    /// A file whose first line is the password of encrypted keys.
    pub key_password_file: Option<PathBuf>,
    /// The PEM file of the authorities whose client certificates are accepted.
    pub ca_certs: Option<PathBuf>,
    pub cert_reqs: ClientCertificates,
    /// OpenSSL's names of cipher suites, separated by colons.
    pub ciphers: Option<String>,
    /// The names of the protocols that a client may choose from, the preferred one
    /// first (RFC 7301). A client that knows none of them is refused.
    pub alpn: Vec<&'static [u8]>,
}

/// Whether clients send a certificate (`cert_reqs`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    /// They are not asked for one.
    #[default]
    None,
    /// They are asked for one. If they send one, it must be valid.
    Optional,
    Required,
}
