//! Errors in certificates, keys and the settings of TLS.

use std::io;
use std::path::PathBuf;

/// Why TLS cannot be used: one sentence that also says what to do.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("The file '{path}' of the setting {setting} cannot be read: {error}")]
    Unreadable {
        setting: &'static str,
        path: PathBuf,
        error: io::Error,
    },
    #[error("'{0}' has no certificate; give a PEM file with the certificate and its chain")]
    NoCertificate(PathBuf),
    #[error("'{0}' has a certificate that cannot be read: {1}; make the file again")]
    BadCertificate(PathBuf, String),
    #[error(
        "The folder '{0}' has no certificate; put NAME.crt with NAME.key, or folders with \
         fullchain.pem and privkey.pem, in it"
    )]
    EmptyFolder(PathBuf),
    #[error("'{0}' has no private key; give the PEM file of the key as keyfile")]
    NoKey(PathBuf),
    #[error("'{0}' has a key that cannot be used: {1}; give an RSA, ECDSA or Ed25519 key")]
    BadKey(PathBuf, String),
    #[error(
        "The key in '{0}' is encrypted; give the file with its password as key_password_file, \
         or the password in $RGUNICORN_KEY_PASSWORD"
    )]
    Encrypted(PathBuf),
    #[error("The password does not open the key in '{0}'; give the right one")]
    Password(PathBuf),
    #[error(
        "The key in '{0}' is encrypted in OpenSSL's old form; convert it with \
         'openssl pkcs8 -topk8 -in {0}'"
    )]
    OldEncryption(PathBuf),
    #[error("The key in '{key}' does not belong to the certificate in '{certificate}'")]
    Mismatch { key: PathBuf, certificate: PathBuf },
    #[error("cert_reqs asks for client certificates; give their authorities' file as ca_certs")]
    NoAuthorities,
    #[error("'{0}' has no certificate of an authority that can be used: {1}")]
    BadAuthorities(PathBuf, String),
    #[error(
        "ciphers names no cipher suite that is spoken here: '{0}'; leave it out, or name some of \
         {1}"
    )]
    Ciphers(String, String),
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}
