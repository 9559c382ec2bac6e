//! A certificate authority for one test, and its certificates.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::Target;
use super::http::Stream;

pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

/// The files of a certificate and its key.
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    /// A new authority, which puts its files into `folder`.
    pub fn new(folder: &Path) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "Test authority");
        let key = KeyPair::generate().unwrap();
        let authority = Self {
            issuer: CertifiedIssuer::self_signed(params, key).unwrap(),
            folder: folder.to_owned(),
        };
        fs::write(authority.file(), authority.issuer.pem()).unwrap();
        authority
    }

    /// Its own certificate.
    pub fn file(&self) -> String {
        self.path("authority.pem")
    }

    /// Issues a certificate with a new key for the names, in `FILE.crt` and `FILE.key`.
    /// The first name is also the common name.
    pub fn issue(&self, file: &str, names: &[&str]) -> Pair {
        let mut params = CertificateParams::new(
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>(),
        )
        .unwrap();
        params.distinguished_name.push(DnType::CommonName, names[0]);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let pair = Pair {
            certificate: self.path(&format!("{file}.crt")),
            key: self.path(&format!("{file}.key")),
        };
        // Renamed into place, as careful tools do.
        for (path, text) in [
            (&pair.key, key.serialize_pem()),
            (&pair.certificate, certificate.pem()),
        ] {
            let new = format!("{path}.new");
            fs::write(&new, text).unwrap();
            fs::rename(new, path).unwrap();
        }
        pair
    }

    /// A TLS connection to the server with this name, which has a certificate of this
    /// authority.
    pub fn connect(&self, target: &Target, name: &str) -> Box<dyn Stream> {
        let config = self.client_config(&[]);
        let name = name.to_owned().try_into().unwrap();
        let session = ClientConnection::new(config, name).unwrap();
        Box::new(StreamOwned::new(session, target.connect().unwrap()))
    }

    /// What a client needs that trusts this authority and offers these protocols (ALPN).
    pub fn client_config(&self, protocols: &[&str]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|&name| name.into()).collect();
        Arc::new(config)
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }
}
