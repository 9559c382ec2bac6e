//! Facts of a TLS connection, for the app.

use super::client::pem;
use super::sni::CertificatesByName;
use rustls::ServerConnection;
use x509_cert::Certificate;
use x509_cert::der::Decode;

/// Certificates are PEM (RFC 7468). Numbers are those of IANA.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFacts {
    /// Nothing if there are several certificates for the name that the client
    /// asked for.
    pub server_certificate: Option<String>,
    /// The client's own certificate first; empty if it has sent none.
    pub client_chain: Vec<String>,
    /// The subject of the client's certificate (RFC 4514).
    pub client_name: Option<String>,
    pub version: Option<u16>,
    pub cipher_suite: Option<u16>,
}

impl TlsFacts {
    /// The facts of a connection after its handshake.
    pub(super) fn of(session: &ServerConnection, certificates: &CertificatesByName) -> TlsFacts {
        let server = certificates.only_one_for(session.server_name());
        let chain = session.peer_certificates().unwrap_or_default();
        let client = chain
            .first()
            .and_then(|der| Certificate::from_der(der).ok());
        let suite = session.negotiated_cipher_suite();
        TlsFacts {
            server_certificate: server.map(|key| pem(&key.cert[0])),
            client_chain: chain.iter().map(|der| pem(der)).collect(),
            client_name: client.map(|client| client.tbs_certificate().subject().to_string()),
            version: session.protocol_version().map(u16::from),
            cipher_suite: suite.map(|suite| u16::from(suite.suite())),
        }
    }
}
