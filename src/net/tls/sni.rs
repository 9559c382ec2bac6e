//! Chooses the certificate for a client.

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::sync::Arc;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// Certificates by their host names (RFC 6066 section 3).
#[derive(Debug)]
pub struct CertificatesByName {
    all: Vec<Arc<CertifiedKey>>,
    /// Positions in `all`. Names are in lower case, and may begin with `*.`.
    names: HashMap<String, Vec<usize>>,
}

impl CertificatesByName {
    /// The first one is for clients that send no server name, or an unknown
    /// one.
    pub fn new(keys: Vec<CertifiedKey>) -> CertificatesByName {
        let mut names: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, key) in keys.iter().enumerate() {
            for name in dns_names(&key.cert[0]) {
                names.entry(name).or_default().push(place);
            }
        }
        CertificatesByName {
            all: keys.into_iter().map(Arc::new).collect(),
            names,
        }
    }

    /// The certificate for this name, if there is only one.
    pub fn only_one_for(&self, name: Option<&str>) -> Option<&CertifiedKey> {
        match name.and_then(|name| self.places(name)).map(Vec::as_slice) {
            None => self.all.first().map(Arc::as_ref),
            Some(&[place]) => Some(&self.all[place]),
            Some(_) => None,
        }
    }

    fn places(&self, name: &str) -> Option<&Vec<usize>> {
        let name = name.to_ascii_lowercase();
        self.names.get(&name).or_else(|| {
            let (_, parent) = name.split_once('.')?;
            self.names.get(&format!("*.{parent}"))
        })
    }
}

impl ResolvesServerCert for CertificatesByName {
    /// Of several certificates for the name, the first one with a kind of key
    /// that the client supports.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let places = hello.server_name().and_then(|name| self.places(name));
        let candidates = places.map_or(&[0][..], |places| places);
        let schemes = hello.signature_schemes();
        let fits = |&&place: &&usize| self.all[place].key.choose_scheme(schemes).is_some();
        let place = candidates.iter().find(fits).or(candidates.first())?;
        Some(Arc::clone(&self.all[*place]))
    }
}

fn dns_names(der: &[u8]) -> Vec<String> {
    let certificate = Certificate::from_der(der).ok();
    let names = certificate.and_then(|certificate| {
        let extension = certificate
            .tbs_certificate()
            .get_extension::<SubjectAltName>();
        Some(extension.ok()??.1)
    });
    let names = names.map(|names| names.0).unwrap_or_default();
    names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DnsName(name) => Some(name.to_string().to_ascii_lowercase()),
            _ => None,
        })
        .collect()
}
