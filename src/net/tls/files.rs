//! Certificates and keys from PEM files.

use super::error::TlsError;
use super::options::TlsOptions;
use crate::system::FileStamp;
use pkcs8::EncryptedPrivateKeyInfoRef;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The environment variable with the password of keys.
const PASSWORD: &str = "RGUNICORN_KEY_PASSWORD";

/// All certificates with their keys. The first one is for clients that send no
/// server name.
pub fn certified_keys(options: &TlsOptions) -> Result<Vec<CertifiedKey>, TlsError> {
    pairs(options)?
        .iter()
        .map(|(certificate, key)| certified_key(certificate, key, options))
        .collect()
}

/// The files of each certificate and of its key.
fn pairs(options: &TlsOptions) -> Result<Vec<(PathBuf, PathBuf)>, TlsError> {
    let certfile = &options.certfile;
    if !certfile.is_dir() {
        let key = options.keyfile.as_ref().unwrap_or(certfile);
        return Ok(vec![(certfile.clone(), key.clone())]);
    }
    let mut found = Vec::new();
    for path in sorted(certfile)? {
        if path.is_dir() {
            let chain = path.join("fullchain.pem");
            if chain.exists() {
                found.push((chain, path.join("privkey.pem")));
            }
        } else if matches!(path.extension(), Some(end) if end == "crt" || end == "pem") {
            let key = path.with_extension("key");
            let key = if key.exists() { key } else { path.clone() };
            found.push((path, key));
        }
    }
    // A file with this name is for clients that send no server name; without
    // one, the first file is.
    found.sort_by_key(|(path, _)| {
        let name = path.strip_prefix(certfile).unwrap_or(path);
        !name.as_os_str().as_encoded_bytes().starts_with(b"default")
    });
    if found.is_empty() {
        return Err(TlsError::EmptyFolder(certfile.clone()));
    }
    Ok(found)
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>, TlsError> {
    let list = || -> std::io::Result<Vec<PathBuf>> {
        let entries = fs::read_dir(folder)?;
        let mut paths = entries
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<Vec<_>>>()?;
        paths.sort();
        Ok(paths)
    };
    list().map_err(|error| unreadable("certfile", folder, error))
}

fn certified_key(
    certificate: &Path,
    key: &Path,
    options: &TlsOptions,
) -> Result<CertifiedKey, TlsError> {
    let chain = certificates("certfile", certificate)?;
    let der = private_key(key, options)?;
    let signer = any_supported_type(&der)
        .map_err(|error| TlsError::BadKey(key.to_owned(), error.to_string()))?;
    let pair = CertifiedKey::new(chain, signer);
    match pair.keys_match() {
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => {
            Err(TlsError::Mismatch {
                key: key.to_owned(),
                certificate: certificate.to_owned(),
            })
        }
        Err(rustls::Error::InvalidCertificate(error)) => Err(TlsError::BadCertificate(
            certificate.to_owned(),
            format!("{error:?}"),
        )),
        _ => Ok(pair),
    }
}

/// The certificates of a PEM file. There is at least one.
pub fn certificates(
    setting: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read(setting, path)?;
    let chain = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsError::BadCertificate(path.to_owned(), error.to_string()))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(path.to_owned()));
    }
    Ok(chain)
}

fn private_key(path: &Path, options: &TlsOptions) -> Result<PrivateKeyDer<'static>, TlsError> {
    const BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
    const END: &str = "-----END ENCRYPTED PRIVATE KEY-----";
    let pem = read("keyfile", path)?;
    let text = String::from_utf8_lossy(&pem);
    if text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(TlsError::OldEncryption(path.to_owned()));
    }
    let Some(begin) = text.find(BEGIN) else {
        return PrivateKeyDer::from_pem_slice(&pem).map_err(|error| match error {
            rustls::pki_types::pem::Error::NoItemsFound => TlsError::NoKey(path.to_owned()),
            error => TlsError::BadKey(path.to_owned(), error.to_string()),
        });
    };
    let bad = |error: &dyn std::fmt::Display| TlsError::BadKey(path.to_owned(), error.to_string());
    let end = text[begin..]
        .find(END)
        .ok_or_else(|| bad(&"its end is missing"))?;
    let block = &text[begin..begin + end + END.len()];
    let (_, document) = pkcs8::SecretDocument::from_pem(block).map_err(|error| bad(&error))?;
    let encrypted =
        EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()).map_err(|error| bad(&error))?;
    let Some(password) = password(options)? else {
        return Err(TlsError::Encrypted(path.to_owned()));
    };
    let opened = encrypted
        .decrypt(password)
        .map_err(|_| TlsError::Password(path.to_owned()))?;
    Ok(PrivatePkcs8KeyDer::from(opened.as_bytes().to_vec()).into())
}

fn password(options: &TlsOptions) -> Result<Option<Vec<u8>>, TlsError> {
    let Some(path) = &options.key_password_file else {
        return Ok(env::var_os(PASSWORD).map(|password| password.into_encoded_bytes()));
    };
    let mut bytes = read("key_password_file", path)?;
    let end = bytes.iter().position(|b| b"\r\n".contains(b));
    bytes.truncate(end.unwrap_or(bytes.len()));
    Ok(Some(bytes))
}

fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|error| unreadable(setting, path, error))
}

fn unreadable(setting: &'static str, path: &Path, error: std::io::Error) -> TlsError {
    TlsError::Unreadable {
        setting,
        path: path.to_owned(),
        error,
    }
}

/// The stamps of all files. They differ after a file was replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesStamp(Vec<Option<FileStamp>>);

impl FilesStamp {
    pub fn of(options: &TlsOptions) -> FilesStamp {
        let mut paths: Vec<PathBuf> = pairs(options)
            .unwrap_or_default()
            .into_iter()
            .flat_map(|(certificate, key)| [certificate, key])
            .collect();
        paths.extend(options.ca_certs.clone());
        paths.push(options.certfile.clone());
        FilesStamp(paths.iter().map(|path| FileStamp::of(path)).collect())
    }
}
