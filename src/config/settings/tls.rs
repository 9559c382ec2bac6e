//! TLS.

use std::path::PathBuf;

use crate::config::choices::client_certificates;
use crate::config::section::section;
use crate::config::setting::Kind::{Switch, Text};
use crate::config::setting::Support::Ignored;
use crate::config::value::Value;
use crate::net::ClientCertificates;

section!(
    /// TLS.
    #[section("SSL")]
    pub struct Ssl {
        /// The private key of the TLS certificate, in PEM.
        #[flags("--keyfile")]
        #[kind(Text("FILE"))]
        #[tested("tls::requests_and_bodies_of_any_size")]
        pub keyfile: Option<PathBuf>,

        /// The TLS certificate and its chain, in PEM; it turns TLS on.
        ///
        /// The file may hold the key, too. A folder holds several certificates, of
        /// which each client gets the one for the name that it asks for; see
        /// [TLS](../guide/tls.md#several-certificates).
        #[flags("--certfile")]
        #[kind(Text("FILE"))]
        #[tested("tls::each_name_has_its_certificate")]
        pub certfile: Option<PathBuf>,

        /// A file whose first line is the password of an encrypted key.
        ///
        /// `RGUNICORN_KEY_PASSWORD` in the environment may hold the password, too.
        #[flags("--key-password-file")]
        #[kind(Text("FILE"))]
        #[tested("tls::keys_may_be_encrypted")]
        pub key_password_file: Option<PathBuf>,

        /// The version of TLS.
        #[flags("--ssl-version")]
        #[kind(Text("VERSION"))]
        #[default(Value::Int(2))]
        #[support(Ignored("TLS 1.2 and 1.3 are spoken, whatever this says, as in Gunicorn."))]
        pub ssl_version: Value,

        /// Whether clients must show a certificate: 0 for no, 1 if they have one, 2 for
        /// yes.
        #[flags("--cert-reqs")]
        #[kind(Text("INT"))]
        #[choices(&["0", "1", "2"])]
        #[default(ClientCertificates::None)]
        #[check(client_certificates)]
        #[tested("tls::clients_show_who_they_are")]
        pub cert_reqs: ClientCertificates,

        /// The authorities of the clients' certificates, in PEM.
        #[flags("--ca-certs")]
        #[kind(Text("FILE"))]
        #[tested("tls::clients_show_who_they_are")]
        pub ca_certs: Option<PathBuf>,

        /// Take the end of a connection as the end of TLS.
        #[flags("--suppress-ragged-eofs")]
        #[kind(Switch)]
        #[default(true)]
        #[support(Ignored(
            "A connection that ends without TLS's own end is noticed and harms nothing."
        ))]
        pub suppress_ragged_eofs: bool,

        /// Do the TLS handshake as soon as a client connects.
        #[flags("--do-handshake-on-connect")]
        #[kind(Switch)]
        #[support(Ignored(
            "The handshake begins with the client's first bytes and holds nobody up."
        ))]
        pub do_handshake_on_connect: bool,

        /// The TLS ciphers that are allowed, in OpenSSL's names.
        #[flags("--ciphers")]
        #[kind(Text("STRING"))]
        #[tested("tls::ciphers_can_be_named")]
        pub ciphers: Option<String>,
    }
);
