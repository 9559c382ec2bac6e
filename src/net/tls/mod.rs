//! TLS by rustls: certificates, sessions, and the stream of one connection.
//!
//! A master loads [`Tls`] before it forks. So mistakes are reported at once,
//! and files that only root may read are read as root. Workers share the loaded
//! certificates. If files have changed, workers load them again, if they may
//! read them.

mod ciphers;
mod client;
mod config;
mod error;
mod facts;
mod files;
mod options;
mod sni;
mod stream;
mod tickets;

pub use client::ClientCertificate;
pub use error::TlsError;
pub use facts::TlsFacts;
pub use options::{ClientCertificates, TlsOptions};
pub use stream::TlsSession;

use crate::system::lock;
use files::FilesStamp;
use rustls::ServerConfig;
use sni::CertificatesByName;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

/// The certificates and options for TLS.
#[derive(Debug)]
pub struct Tls {
    options: TlsOptions,
    loaded: Mutex<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    config: Arc<ServerConfig>,
    certificates: Arc<CertificatesByName>,
    stamp: FilesStamp,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// One sentence that names the file or setting and says what to do.
    pub fn load(options: TlsOptions) -> Result<Tls, TlsError> {
        let stamp = FilesStamp::of(&options);
        let (config, certificates) = config::server_config(&options)?;
        let loaded = Mutex::new(Loaded {
            config,
            certificates,
            stamp,
        });
        Ok(Tls { options, loaded })
    }

    /// Reads the files again if one has changed. Open connections keep their
    /// certificates. True if new files were loaded.
    ///
    /// # Errors
    /// As [`Tls::load`], once for each change. The old certificates stay in
    /// use.
    pub fn refresh(&self) -> Result<bool, TlsError> {
        let stamp = FilesStamp::of(&self.options);
        let mut loaded = self.lock();
        if loaded.stamp == stamp {
            return Ok(false);
        }
        loaded.stamp = stamp;
        (loaded.config, loaded.certificates) = config::server_config(&self.options)?;
        Ok(true)
    }

    /// True if clients are asked for a certificate.
    pub fn asks_clients(&self) -> bool {
        self.options.cert_reqs != ClientCertificates::None
    }

    /// Begins the server's side of a connection. `received` are its bytes that
    /// were read before. `to_plain_text` is sent to a client that does not use
    /// TLS.
    pub fn accept(
        &self,
        received: Vec<u8>,
        to_plain_text: &'static [u8],
    ) -> io::Result<TlsSession> {
        let loaded = self.lock();
        let config = Arc::clone(&loaded.config);
        let certificates = Arc::clone(&loaded.certificates);
        TlsSession::new(config, certificates, received, to_plain_text)
    }

    fn lock(&self) -> MutexGuard<'_, Loaded> {
        lock(&self.loaded)
    }
}

#[cfg(test)]
mod tests;
