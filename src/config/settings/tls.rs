//! TLS, and the newer HTTP versions that come with it in Gunicorn.

macro_rules! tls {
    ([$($before:tt)*] $next:ident $($rest:ident)*) => {
        $next! { [
            $($before)*

            section "SSL";
            /// The private key of the TLS certificate, in PEM.
            keyfile: Option<PathBuf> {
                flags: &["--keyfile"],
                kind: Kind::Text("FILE"),
                default: None,
                check: check::path,
            }

            /// The TLS certificate and its chain, in PEM; it turns TLS on.
            ///
            /// The file may hold the key, too. A folder holds several certificates, of
            /// which each client gets the one for the name that it asks for; see
            /// [TLS](../guide/tls.md#several-certificates).
            certfile: Option<PathBuf> {
                flags: &["--certfile"],
                kind: Kind::Text("FILE"),
                default: None,
                check: check::path,
            }

            /// A file whose first line is the password of an encrypted key.
            ///
            /// `RGUNICORN_KEY_PASSWORD` in the environment may hold the password, too.
            key_password_file: Option<PathBuf> {
                flags: &["--key-password-file"],
                kind: Kind::Text("FILE"),
                default: None,
                check: check::path,
            }

            /// The version of TLS.
            ssl_version: Value {
                flags: &["--ssl-version"],
                kind: Kind::Text("VERSION"),
                default: Value::Int(2),
                support: Support::Ignored(
                    "TLS 1.2 and 1.3 are spoken, whatever this says, as in Gunicorn."
                ),
                check: check::anything,
            }

            /// Whether clients must show a certificate: 0 for no, 1 if they have one, 2 for
            /// yes.
            cert_reqs: CertReqs {
                flags: &["--cert-reqs"],
                kind: Kind::Text("INT"),
                default: CertReqs::None,
                check: CertReqs::check,
            }

            /// The authorities of the clients' certificates, in PEM.
            ca_certs: Option<PathBuf> {
                flags: &["--ca-certs"],
                kind: Kind::Text("FILE"),
                default: None,
                check: check::path,
            }

            /// Take the end of a connection as the end of TLS.
            suppress_ragged_eofs: bool {
                flags: &["--suppress-ragged-eofs"],
                kind: Kind::Switch,
                default: true,
                support: Support::Ignored(
                    "A connection that ends without TLS's own end is noticed and harms nothing."
                ),
                check: check::switch,
            }

            /// Do the TLS handshake as soon as a client connects.
            do_handshake_on_connect: bool {
                flags: &["--do-handshake-on-connect"],
                kind: Kind::Switch,
                default: false,
                support: Support::Ignored(
                    "The handshake begins with the client's first bytes and holds nobody up."
                ),
                check: check::switch,
            }

            /// The TLS ciphers that are allowed, in OpenSSL's names.
            ciphers: Option<String> {
                flags: &["--ciphers"],
                kind: Kind::Text("STRING"),
                default: None,
                check: check::optional_text,
            }

            section "HTTP/2";
            /// The HTTP versions that are offered: `h1`.
            http_protocols: String {
                flags: &["--http-protocols"],
                kind: Kind::Text("STRING"),
                default: "h1".to_owned(),
                support: Support::Ignored(
                    "HTTP/2 is not spoken, so clients are offered HTTP/1.1; put a proxy in front for HTTP/2."
                ),
                check: check::http_protocols,
            }

            /// HTTP/2 without TLS: `off`.
            http2_cleartext: Http2Cleartext {
                flags: &["--http2-cleartext"],
                kind: Kind::OptionalText("MODE", "prior-knowledge"),
                default: Http2Cleartext::Off,
                support: Support::Refused(
                    "HTTP/2 is not spoken; put a proxy in front that does"
                ),
                check: Http2Cleartext::check_or_switch,
            }

            /// The most streams of an HTTP/2 connection.
            http2_max_concurrent_streams: u32 {
                flags: &["--http2-max-concurrent-streams"],
                kind: Kind::Number("INT"),
                default: 100,
                support: Support::Ignored(
                    "HTTP/2 is not spoken."
                ),
                check: check::number,
            }

            /// The window of HTTP/2's flow control.
            http2_initial_window_size: u32 {
                flags: &["--http2-initial-window-size"],
                kind: Kind::Number("INT"),
                default: 65535,
                support: Support::Ignored(
                    "HTTP/2 is not spoken."
                ),
                check: check::number,
            }

            /// The longest frame of HTTP/2.
            http2_max_frame_size: u32 {
                flags: &["--http2-max-frame-size"],
                kind: Kind::Number("INT"),
                default: 16384,
                support: Support::Ignored(
                    "HTTP/2 is not spoken."
                ),
                check: check::number,
            }

            /// The largest head of HTTP/2.
            http2_max_header_list_size: u32 {
                flags: &["--http2-max-header-list-size"],
                kind: Kind::Number("INT"),
                default: 65536,
                support: Support::Ignored(
                    "HTTP/2 is not spoken."
                ),
                check: check::number,
            }
        ] $($rest)* }
    };
}

pub(super) use tls;
