//! What the settings ask of TLS.

use std::sync::Arc;

use anyhow::{Result, bail};

use super::settings::Settings;
use crate::net::{Tls, TlsOptions};

impl Settings {
    /// The certificates, if the settings want TLS.
    ///
    /// # Errors
    /// A file is missing or wrong; one sentence.
    pub fn tls(&self) -> Result<Option<Arc<Tls>>> {
        let Some(certfile) = self.ssl.certfile.clone() else {
            if self.ssl.keyfile.is_some() {
                bail!(
                    "keyfile is set and certfile is not; name the certificate's file as certfile"
                );
            }
            return Ok(None);
        };
        let tls = Tls::load(TlsOptions {
            certfile,
            keyfile: self.ssl.keyfile.clone(),
            key_password_file: self.ssl.key_password_file.clone(),
            ca_certs: self.ssl.ca_certs.clone(),
            cert_reqs: self.ssl.cert_reqs,
            ciphers: self.ssl.ciphers.clone(),
            alpn: self.http2.http_protocols.alpn(),
        })?;
        Ok(Some(Arc::new(tls)))
    }
}
