//! TLS over pairs of sockets, with the client of rustls.

use super::*;
use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use socket2::Socket;
use std::fs;
use std::io::{IoSlice, Read, Write};
use std::net::Shutdown;
use std::path::Path;
use std::thread;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate and its key, as PEM.
    fn issue(&self, names: &[&str]) -> (String, KeyPair) {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(names).unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key)
    }
}

fn options(certfile: &Path) -> TlsOptions {
    TlsOptions {
        certfile: certfile.to_owned(),
        keyfile: None,
        key_password_file: None,
        ca_certs: None,
        cert_reqs: ClientCertificates::None,
        ciphers: None,
        alpn: vec![b"h2", b"http/1.1"],
    }
}

/// What a client gets that asks for `name`, and the server's view of its
/// certificate.
fn talk(
    tls: &Tls,
    authority: &Authority,
    name: &'static str,
    identity: Option<(String, KeyPair)>,
) -> Result<(String, Option<ClientCertificate>), String> {
    let (heard, server) = converse(tls, client(authority, identity), name)?;
    Ok((heard, server.client_certificate()))
}

/// A client that trusts this authority, and may show who it is.
fn client(authority: &Authority, identity: Option<(String, KeyPair)>) -> ClientConfig {
    use rustls::pki_types::pem::PemObject;
    let mut roots = RootCertStore::empty();
    roots.add(authority.0.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    match identity {
        None => builder.with_no_client_auth(),
        Some((pem, key)) => {
            let chain = vec![CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()];
            let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    }
}

/// What a client gets that asks for `name`, and the server's end of the connection.
/// Both ends run to its end.
fn converse(
    tls: &Tls,
    config: ClientConfig,
    name: &'static str,
) -> Result<(String, TlsSession), String> {
    let (near, far) = Socket::pair(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    far.set_nonblocking(true).unwrap();
    let mut server = tls.accept(Vec::new(), b"").unwrap();
    assert!(!server.speaks_http2());
    let client = thread::spawn(move || {
        let name = ServerName::try_from(name).unwrap();
        let mut session = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut near = near;
        let mut stream = rustls::Stream::new(&mut session, &mut near);
        stream
            .write_all(b"hello")
            .map_err(|error| error.to_string())?;
        let mut text = String::new();
        match stream.read_to_string(&mut text) {
            Ok(_) => Ok(text),
            Err(error) => Err(error.to_string()),
        }
    });
    let mut heard = Vec::new();
    let mut buffer = [0; 100];
    while heard.len() < 5 {
        match server.read(&far, &mut buffer) {
            Ok(0) => break,
            Ok(length) => heard.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::yield_now(),
            Err(error) => {
                drop(far);
                return client.join().unwrap().and(Err(error.to_string()));
            }
        }
    }
    heard.push(b'!');
    server.write(&far, &[IoSlice::new(&heard)]).unwrap();
    server.end(&far);
    far.shutdown(Shutdown::Write).unwrap();
    Ok((client.join().unwrap()?, server))
}

#[test]
fn a_conversation() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let (certificate, key) = authority.issue(&["one.test"]);
    let path = folder.path().join("one.pem");
    fs::write(&path, certificate + &key.serialize_pem()).unwrap();
    let tls = Tls::load(options(&path)).unwrap();
    let (heard, certificate) = talk(&tls, &authority, "one.test", None).unwrap();
    assert_eq!((heard.as_str(), certificate), ("hello!", None));
    assert!(talk(&tls, &authority, "two.test", None).is_err());
}

#[test]
fn the_client_chooses_from_the_protocols_of_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let (certificate, key) = authority.issue(&["one.test"]);
    let path = folder.path().join("one.pem");
    fs::write(&path, certificate + &key.serialize_pem()).unwrap();
    let (h1, h2): (&[u8], &[u8]) = (b"http/1.1", b"h2");
    for (server, known, is_http2) in [
        (&[h2, h1][..], &[h1, h2][..], Some(true)),
        (&[h1, h2], &[h2, h1], Some(false)),
        (&[h2, h1], &[h1], Some(false)),
        (&[h1], &[h2, h1], Some(false)),
        (&[h2, h1], &[], Some(false)),
        (&[h2], &[], Some(false)),
        (&[h2], &[h2], Some(true)),
        (&[h1], &[h2], None),
    ] {
        let tls = Tls::load(TlsOptions {
            alpn: server.to_vec(),
            ..options(&path)
        })
        .unwrap();
        let mut client = client(&authority, None);
        client.alpn_protocols = known.iter().map(|name| name.to_vec()).collect();
        let talk = converse(&tls, client, "one.test");
        let spoken = talk.map(|(_, server)| server.speaks_http2()).ok();
        assert_eq!(spoken, is_http2, "{server:?} {known:?}");
    }
}

#[test]
fn a_folder_has_a_certificate_for_each_name() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let put = |file: &str, names: &[&str]| {
        let (certificate, key) = authority.issue(names);
        fs::write(folder.path().join(file).with_extension("crt"), certificate).unwrap();
        fs::write(
            folder.path().join(file).with_extension("key"),
            key.serialize_pem(),
        )
        .unwrap();
    };
    put("a", &["one.test"]);
    put("b", &["*.two.test", "two.test"]);
    let live = folder.path().join("three.test");
    fs::create_dir(&live).unwrap();
    let (certificate, key) = authority.issue(&["three.test"]);
    fs::write(live.join("fullchain.pem"), certificate).unwrap();
    fs::write(live.join("privkey.pem"), key.serialize_pem()).unwrap();
    let tls = Tls::load(options(folder.path())).unwrap();
    for name in ["one.test", "TWO.test", "x.two.test", "three.test"] {
        assert!(talk(&tls, &authority, name, None).is_ok(), "{name}");
    }
    assert!(talk(&tls, &authority, "x.y.two.test", None).is_err());

    // Changed files are loaded.
    assert!(!tls.refresh().unwrap());
    put("c", &["four.test"]);
    assert!(tls.refresh().unwrap());
    assert!(talk(&tls, &authority, "four.test", None).is_ok());
    fs::write(folder.path().join("c.key"), "").unwrap();
    assert!(tls.refresh().unwrap_err().to_string().contains("c.key"));
    assert!(!tls.refresh().unwrap());
    assert!(talk(&tls, &authority, "four.test", None).is_ok());
}

#[test]
fn clients_may_have_to_show_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let (certificate, key) = authority.issue(&["one.test"]);
    let path = folder.path().join("one.pem");
    fs::write(&path, certificate + &key.serialize_pem()).unwrap();
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, authority.0.pem()).unwrap();
    let with = |cert_reqs| {
        Tls::load(TlsOptions {
            ca_certs: Some(ca.clone()),
            cert_reqs,
            ..options(&path)
        })
        .unwrap()
    };
    let good = || Some(authority.issue(&["client.test", "other.test"]));
    let bad = || Some(Authority::new().issue(&["client.test"]));
    for (tls, none_is_fine) in [
        (with(ClientCertificates::Required), false),
        (with(ClientCertificates::Optional), true),
    ] {
        let (_, certificate) = talk(&tls, &authority, "one.test", good()).unwrap();
        let variables = certificate.unwrap().variables;
        let value = |name: &str| {
            let found = variables.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(value("SSL_CLIENT_VERIFY"), Some("SUCCESS"));
        assert_eq!(value("SSL_CLIENT_SAN_DNS_1"), Some("other.test"));
        assert!(value("SSL_CLIENT_S_DN").unwrap().contains("CN="));
        assert!(
            value("SSL_CLIENT_CERT")
                .unwrap()
                .ends_with("-----END CERTIFICATE-----\n")
        );
        assert!(talk(&tls, &authority, "one.test", bad()).is_err());
        let without = talk(&tls, &authority, "one.test", None);
        assert_eq!(without.is_ok(), none_is_fine, "{without:?}");
    }
    let error = Tls::load(TlsOptions {
        cert_reqs: ClientCertificates::Required,
        ..options(&path)
    });
    assert!(error.unwrap_err().to_string().contains("ca_certs"));
}

#[test]
fn mistakes_are_told_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let (certificate, key) = authority.issue(&["one.test"]);
    let (other, _) = authority.issue(&["two.test"]);
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let certificate = write("good.crt", &certificate);
    let key = write("good.key", &key.serialize_pem());
    let other = write("other.crt", &other);
    let empty = write("empty", "");
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n";
    let old = write("old.key", old);
    for (certfile, keyfile, sentence) in [
        (&empty, &key, "has no certificate"),
        (&certificate, &empty, "has no private key"),
        (&certificate, &certificate, "has no private key"),
        (&certificate, &old, "openssl pkcs8 -topk8"),
        (&other, &key, "does not belong to the certificate"),
        (&folder.path().join("absent"), &key, "cannot be read"),
    ] {
        let error = Tls::load(TlsOptions {
            keyfile: Some(keyfile.clone()),
            ..options(certfile)
        });
        let error = error.unwrap_err().to_string();
        assert!(error.contains(sentence), "{error}");
    }
}
