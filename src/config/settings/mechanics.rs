//! What the server is as a process, and whose word it takes.

macro_rules! mechanics {
    ([$($before:tt)*] $next:ident $($rest:ident)*) => {
        $next! { [
            $($before)*

            section "Server Mechanics";
            /// Load the app in the master, before the workers are forked.
            ///
            /// They share its memory then.
            preload_app: bool {
                flags: &["--preload"],
                kind: Kind::Switch,
                default: false,
                check: check::switch,
            }

            /// Send files by `sendfile(2)`.
            ///
            /// `SENDFILE` in the environment turns it off unless it is `y`, `1`, `yes` or
            /// `true`. The option turns it off, too.
            sendfile: bool {
                flags: &["--no-sendfile"],
                kind: Kind::Off,
                default: true,
                variable: ("SENDFILE", |text| {
                    let on = ["y", "1", "yes", "true"];
                    Value::Bool(on.iter().any(|word| text.eq_ignore_ascii_case(word)))
                }),
                check: check::switch,
            }

            /// Let each worker listen for itself (`SO_REUSEPORT`).
            reuse_port: bool {
                flags: &["--reuse-port"],
                kind: Kind::Switch,
                default: false,
                check: check::switch,
            }

            /// The folder to change to before the app is loaded.
            ///
            /// It comes first on `sys.path`. The default is the current folder.
            chdir: Option<PathBuf> {
                flags: &["--chdir"],
                kind: Kind::Text("DIR"),
                default: None,
                check: check::folder,
            }

            /// Run in the background, without a terminal.
            ///
            /// The command ends with code 0 once the first worker serves, or half a minute
            /// after the sockets are open. A server that does not come up ends it with the
            /// server's own exit code, and the command prints why.
            daemon: bool {
                flags: &["-D", "--daemon"],
                kind: Kind::Switch,
                default: false,
                check: check::switch,
            }

            /// A variable for the app's environment, as `KEY=VALUE`; may be given
            /// several times.
            raw_env: Vec<OsString> {
                flags: &["-e", "--env"],
                kind: Kind::List("KEY=VALUE"),
                default: Vec::new(),
                check: check::variables,
            }

            /// A file for the master's process id.
            ///
            /// The master keeps it locked. A second server with the same file does not start;
            /// a file that names a process which is no server that has it is written anew.
            pidfile: Option<PathBuf> {
                flags: &["-p", "--pid"],
                kind: Kind::Text("FILE"),
                default: None,
                check: check::path,
            }

            /// The folder of the workers' heartbeat files.
            worker_tmp_dir: Option<PathBuf> {
                flags: &["--worker-tmp-dir"],
                kind: Kind::Text("DIR"),
                default: None,
                support: Support::Ignored(
                    "A worker's sign of life lies in shared memory, so there is no file to place."
                ),
                check: check::path,
            }

            /// The user that workers run as: a name or a number.
            ///
            /// The default is the user that starts the server.
            user: Option<u32> {
                flags: &["-u", "--user"],
                kind: Kind::Text("USER"),
                default: None,
                check: check::user,
            }

            /// The group that workers run as: a name or a number.
            ///
            /// The default is the group of the user that starts the server.
            group: Option<u32> {
                flags: &["-g", "--group"],
                kind: Kind::Text("GROUP"),
                default: None,
                check: check::group,
            }

            /// The mask of the rights of a unix socket; octal when it begins with 0.
            ///
            /// The default lets everyone connect.
            umask: u32 {
                flags: &["-m", "--umask"],
                kind: Kind::Mode("INT"),
                default: 0,
                check: check::mode,
            }

            /// Give workers all the groups of their `user`.
            initgroups: bool {
                flags: &["--initgroups"],
                kind: Kind::Switch,
                default: false,
                check: check::switch,
            }

            /// The folder of long bodies while they come in; see `body_spool_size`.
            tmp_upload_dir: Option<PathBuf> {
                kind: Kind::Text("DIR"),
                default: None,
                check: check::folder,
            }

            /// Header fields, and their values, by which a trusted client says that the
            /// request came over TLS.
            ///
            /// Where the value is `https`, `wss` says the same: some proxies name a
            /// WebSocket's scheme so.
            secure_scheme_headers: Vec<(String, String)> {
                kind: Kind::Text("DICT"),
                default: check::default_scheme_headers(),
                check: check::text_dict,
            }

            /// Clients whose word about the scheme is taken: addresses and networks
            /// with commas between them, or `*` for all.
            ///
            /// Name the proxy that stands before this server. A client over a unix
            /// socket is always trusted.
            forwarded_allow_ips: TrustedPeers {
                flags: &["--forwarded-allow-ips"],
                kind: Kind::Text("ADDRESSES"),
                default: TrustedPeers::local(),
                variable: ("FORWARDED_ALLOW_IPS", Value::from),
                check: TrustedPeers::check,
            }

            /// Folders to put on `sys.path`, with commas between them.
            ///
            /// Relative ones are meant from the folder that `chdir` names.
            pythonpath: Option<OsString> {
                flags: &["--pythonpath"],
                kind: Kind::Text("DIRS"),
                default: None,
                check: check::optional_system_text,
            }

            /// An app described by a PasteDeploy file.
            paste: Option<String> {
                flags: &["--paste", "--paster"],
                kind: Kind::Text("INI"),
                default: None,
                support: Support::Refused(
                    "PasteDeploy files are not read; write a module with \"from paste.deploy import loadapp; application = loadapp('config:/path/app.ini')\" and name it as APP_MODULE"
                ),
                check: check::optional_text,
            }

            /// Take a PROXY protocol header at the start of a connection: `off`, `v1`,
            /// `v2` or `auto` for either.
            ///
            /// The option alone means `auto`. Only the clients in `proxy_allow_ips` may send
            /// one; theirs is the client's address then.
            proxy_protocol: ProxyProtocol {
                flags: &["--proxy-protocol"],
                kind: Kind::OptionalText("MODE", "auto"),
                default: ProxyProtocol::Off,
                check: ProxyProtocol::check_or_switch,
            }

            /// Clients that may send a PROXY protocol header: addresses and networks
            /// with commas between them, or `*` for all.
            proxy_allow_ips: TrustedPeers {
                flags: &["--proxy-allow-from"],
                kind: Kind::Text("ADDRESSES"),
                default: TrustedPeers::local(),
                check: TrustedPeers::check,
            }

            /// The field from which the client's address is taken: `off`,
            /// `x-forwarded-for` or `forwarded`.
            ///
            /// Only of clients in `forwarded_allow_ips`, whose addresses in the field are
            /// passed over, too; a port beside the address is taken with it. The flag alone
            /// means `x-forwarded-for`.
            proxy_headers: ProxyHeaders {
                flags: &["--proxy-headers"],
                kind: Kind::OptionalText("FIELD", "x-forwarded-for"),
                default: ProxyHeaders::Off,
                check: ProxyHeaders::check_or_switch,
            }

            /// The protocol that clients speak: `http`.
            protocol: String {
                flags: &["--protocol"],
                kind: Kind::Text("PROTOCOL"),
                default: "http".to_owned(),
                support: Support::Refused(
                    "only HTTP is spoken; let nginx use proxy_pass instead of uwsgi_pass"
                ),
                check: check::text,
            }

            /// Clients that may speak the uwsgi protocol.
            uwsgi_allow_ips: TrustedPeers {
                flags: &["--uwsgi-allow-from"],
                kind: Kind::Text("ADDRESSES"),
                default: TrustedPeers::local(),
                support: Support::Ignored(
                    "The uwsgi protocol is not spoken, so nobody needs to be allowed to."
                ),
                check: TrustedPeers::check,
            }

            /// A variable for a PasteDeploy file; may be given several times.
            raw_paste_global_conf: Vec<String> {
                flags: &["--paste-global"],
                kind: Kind::List("CONF"),
                default: Vec::new(),
                support: Support::Refused(
                    "PasteDeploy files are not read; pass global_conf to loadapp in a module of your own"
                ),
                check: check::texts,
            }

            /// Accept header fields that are continued in the next line.
            ///
            /// This and the next four are for old clients; they open ways to smuggle
            /// requests past a proxy.
            permit_obsolete_folding: bool {
                flags: &["--permit-obsolete-folding"],
                kind: Kind::Switch,
                default: false,
                check: check::switch,
            }

            /// Accept spaces between a header field's name and its colon.
            strip_header_spaces: bool {
                flags: &["--strip-header-spaces"],
                kind: Kind::Switch,
                default: false,
                check: check::switch,
            }

            /// Accept methods that are short, long, lower case or with `#`.
            permit_unconventional_http_method: bool {
                flags: &["--permit-unconventional-http-method"],
                kind: Kind::Switch,
                default: false,
                check: check::switch,
            }

            /// Accept HTTP versions other than 1.0 and 1.1.
            permit_unconventional_http_version: bool {
                flags: &["--permit-unconventional-http-version"],
                kind: Kind::Switch,
                default: false,
                check: check::switch,
            }

            /// Turn the method into upper case.
            casefold_http_method: bool {
                flags: &["--casefold-http-method"],
                kind: Kind::Switch,
                default: false,
                check: check::switch,
            }

            /// Names with an underscore that a trusted client's header fields may have,
            /// with commas between them; `*` for all.
            forwarder_headers: Names {
                flags: &["--forwarder-headers"],
                kind: Kind::Text("NAMES"),
                default: Names::of_paths(),
                check: Names::check,
            }

            /// What becomes of other header fields with an underscore in their name:
            /// `drop`, `refuse` or `dangerous` to keep them.
            header_map: HeaderMap {
                flags: &["--header-map"],
                kind: Kind::Text("WORD"),
                default: HeaderMap::Drop,
                check: HeaderMap::check,
            }

            /// The `root_path` of ASGI apps.
            root_path: String {
                flags: &["--root-path"],
                kind: Kind::Text("PATH"),
                default: String::new(),
                check: check::text,
            }

            /// The value of the `Server` field of answers, in printable ASCII; empty for no field.
            server_header: String {
                flags: &["--server-header"],
                kind: Kind::Text("STRING"),
                default: "rgunicorn".to_owned(),
                check: check::field_value,
            }

            /// The header field of a request's id, such as `X-Request-ID`; none for no ids.
            ///
            /// A trusted client's is kept, else one is made. It is `REQUEST_ID` in the environ,
            /// `rgunicorn.request_id` in the scope of ASGI, `request_id` in the access log, and
            /// stands in brackets behind the request in the error log.
            request_id: Option<String> {
                flags: &["--request-id"],
                kind: Kind::Text("FIELD"),
                default: None,
                check: check::field_name,
            }

            /// Answers have the request's id too, in the field that `request_id` names.
            request_id_in_response: bool {
                flags: &["--request-id-in-response"],
                kind: Kind::Switch,
                default: false,
                check: check::switch,
            }

            /// Seconds after which a client that was answered 503 shall come again; 0 for no word.
            retry_after: u32 {
                flags: &["--retry-after"],
                kind: Kind::Number("INT"),
                default: 1,
                check: check::number,
            }
        ] $($rest)* }
    };
}

pub(super) use mechanics;
