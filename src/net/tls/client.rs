//! The content of a client's certificate, for the app.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// A client's certificate that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Names and values for the environ, as in Apache's mod_ssl.
    pub variables: Vec<(String, String)>,
}

impl ClientCertificate {
    /// Reads a certificate from DER; nothing if it is invalid.
    pub fn read(der: &[u8]) -> Option<ClientCertificate> {
        let certificate = Certificate::from_der(der).ok()?;
        let content = certificate.tbs_certificate();
        let serial = content.serial_number().as_bytes().iter();
        let serial: String = serial.map(|byte| format!("{byte:02X}")).collect();
        let mut variables = vec![
            ("SSL_CLIENT_VERIFY".to_owned(), "SUCCESS".to_owned()),
            ("SSL_CLIENT_S_DN".to_owned(), content.subject().to_string()),
            ("SSL_CLIENT_I_DN".to_owned(), content.issuer().to_string()),
            ("SSL_CLIENT_M_SERIAL".to_owned(), serial),
            ("SSL_CLIENT_CERT".to_owned(), pem(der)),
        ];
        let names = content.get_extension::<SubjectAltName>().ok().flatten();
        let names = names.map(|(_, names)| names.0).unwrap_or_default();
        let (mut emails, mut hosts) = (0, 0);
        for name in &names {
            let (kind, count, value) = match name {
                GeneralName::Rfc822Name(email) => ("Email", &mut emails, email.to_string()),
                GeneralName::DnsName(host) => ("DNS", &mut hosts, host.to_string()),
                _ => continue,
            };
            variables.push((format!("SSL_CLIENT_SAN_{kind}_{count}"), value));
            *count += 1;
        }
        Some(ClientCertificate { variables })
    }
}

/// A certificate as PEM text (RFC 7468).
pub(super) fn pem(der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let mut out = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out.push_str("-----END CERTIFICATE-----\n");
    out
}
