//! The configuration of rustls, from the settings.

use super::ciphers;
use super::error::TlsError;
use super::files;
use super::options::{ClientCertificates, TlsOptions};
use super::sni::CertificatesByName;
use super::tickets::SharedTickets;
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use std::sync::Arc;

/// The configuration for TLS 1.2 and 1.3, and the certificates.
pub fn server_config(
    options: &TlsOptions,
) -> Result<(Arc<ServerConfig>, Arc<CertificatesByName>), TlsError> {
    let setup = |error: rustls::Error| TlsError::Setup(error.to_string());
    let provider = Arc::new(CryptoProvider {
        cipher_suites: ciphers::suites(options.ciphers.as_deref())?,
        ..ring::default_provider()
    });
    let keys = files::certified_keys(options)?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(setup)?;
    let builder = match client_verifier(options, provider)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let certificates = Arc::new(CertificatesByName::new(keys));
    let mut config = builder.with_cert_resolver(Arc::clone(&certificates) as _);
    config.alpn_protocols = options.alpn.iter().map(|name| name.to_vec()).collect();
    config.ignore_client_order = true;
    let tickets = SharedTickets::new();
    config.ticketer =
        Arc::new(tickets.ok_or_else(|| TlsError::Setup("no random numbers can be had".into()))?);
    // Sessions are resumed by tickets only, because the workers share no memory
    // of sessions.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok((Arc::new(config), certificates))
}

fn client_verifier(
    options: &TlsOptions,
    provider: Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
    if options.cert_reqs == ClientCertificates::None {
        return Ok(None);
    }
    let path = options.ca_certs.as_ref().ok_or(TlsError::NoAuthorities)?;
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(files::certificates("ca_certs", path)?);
    if added == 0 {
        return Err(TlsError::BadAuthorities(
            path.clone(),
            "none can be read".into(),
        ));
    }
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    if options.cert_reqs == ClientCertificates::Optional {
        builder = builder.allow_unauthenticated();
    }
    let verifier = builder.build();
    verifier
        .map(Some)
        .map_err(|error| TlsError::BadAuthorities(path.clone(), error.to_string()))
}
