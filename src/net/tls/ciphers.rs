//! OpenSSL's names of the cipher suites that rustls supports.

use super::error::TlsError;
use rustls::SupportedCipherSuite;
use rustls::crypto::ring::cipher_suite as suite;

/// The suites of TLS 1.2, with OpenSSL's names.
const TLS12: [(&str, SupportedCipherSuite); 6] = [
    (
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    (
        "ECDHE-RSA-AES256-GCM-SHA384",
        suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "ECDHE-RSA-AES128-GCM-SHA256",
        suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "ECDHE-RSA-CHACHA20-POLY1305",
        suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
];

/// The suites of TLS 1.3. OpenSSL's cipher list does not concern them.
const TLS13: [SupportedCipherSuite; 3] = [
    suite::TLS13_AES_256_GCM_SHA384,
    suite::TLS13_AES_128_GCM_SHA256,
    suite::TLS13_CHACHA20_POLY1305_SHA256,
];

/// The suites that an OpenSSL cipher list allows, in its order, after those of
/// TLS 1.3. Unsupported suites are skipped.
pub fn suites(list: Option<&str>) -> Result<Vec<SupportedCipherSuite>, TlsError> {
    let mut chosen = TLS13.to_vec();
    let Some(list) = list else {
        chosen.extend(TLS12.map(|(_, suite)| suite));
        return Ok(chosen);
    };
    let mut named: Vec<(&str, SupportedCipherSuite)> = Vec::new();
    for word in list.split([':', ',', ' ']).filter(|word| !word.is_empty()) {
        match word.strip_prefix(['!', '-']) {
            Some(word) => named.retain(|(name, _)| !matches(name, word)),
            None => {
                for entry in TLS12.iter().filter(|(name, _)| matches(name, word)) {
                    if !named.contains(entry) {
                        named.push(*entry);
                    }
                }
            }
        }
    }
    if named.is_empty() {
        let names = TLS12.map(|(name, _)| name).join(":");
        return Err(TlsError::Ciphers(list.to_owned(), names));
    }
    chosen.extend(named.into_iter().map(|(_, suite)| suite));
    Ok(chosen)
}

/// True if a suite matches `word`: a name, a group, or groups joined by `+`.
fn matches(name: &str, word: &str) -> bool {
    let has = |part: &str| name.contains(part);
    name == word
        || word.split('+').all(|group| match group {
            "ALL" | "DEFAULT" | "HIGH" | "SECURE" | "ECDHE" | "EECDH" | "kECDHE" | "kEECDH"
            | "TLSv1.2" | "AEAD" => true,
            "ECDSA" | "aECDSA" => has("-ECDSA-"),
            "RSA" | "aRSA" => has("-RSA-"),
            "AES" | "AESGCM" => has("-GCM-"),
            "AES128" => has("AES128"),
            "AES256" => has("AES256"),
            "CHACHA20" => has("CHACHA20"),
            "SHA256" => has("SHA256"),
            "SHA384" => has("SHA384"),
            _ => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &str) -> Vec<&'static str> {
        let suites = suites(Some(list)).unwrap();
        let tls12 = suites[TLS13.len()..].iter();
        tls12
            .map(|suite| TLS12.iter().find(|(_, known)| known == suite).unwrap().0)
            .collect()
    }

    #[test]
    fn lists_as_openssl_has_them() {
        assert_eq!(
            names("ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384"),
            ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"]
        );
        assert_eq!(names("HIGH:!aNULL:!MD5").len(), 6);
        assert_eq!(names("ECDHE+AESGCM:!ECDSA:DHE-RSA-AES128-SHA").len(), 2);
        assert_eq!(names("CHACHA20:-RSA"), ["ECDHE-ECDSA-CHACHA20-POLY1305"]);
        assert_eq!(suites(None).unwrap().len(), 9);
        let error = suites(Some("RC4-SHA")).unwrap_err().to_string();
        assert!(error.contains("'RC4-SHA'") && error.contains("ECDHE-RSA-AES128-GCM-SHA256"));
    }
}
