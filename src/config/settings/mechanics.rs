//! What the server is as a process, and which proxies it trusts.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::config::check;
use crate::config::choices::{Choice, choice, proxy_protocol, switch_as};
use crate::config::section::section;
use crate::config::setting::Kind::{List, Mode, Number, Off, OptionalText, Switch, Text};
use crate::config::setting::Support::{Ignored, Refused};
use crate::config::trusted::{Names, TrustedPeers};
use crate::config::value::Value;
use crate::http::{AddressField, ProxyMode, Underscores};

section!(
    /// What the server is as a process, and which proxies it trusts.
    #[section("Server Mechanics")]
    pub struct Mechanics {
        /// Load the app in the master, before the workers are forked.
        ///
        /// They share its memory then.
        #[flags("--preload")]
        #[kind(Switch)]
        #[tested("preload::workers_have_what_the_master_has_loaded")]
        pub preload_app: bool,

        /// Send files by `sendfile(2)`.
        ///
        /// `SENDFILE` in the environment turns it off unless it is `y`, `1`, `yes` or
        /// `true`. The option turns it off, too.
        #[flags("--no-sendfile")]
        #[kind(Off)]
        #[default(true)]
        #[variable("SENDFILE", sendfile)]
        #[tested("settings::files_are_read_only_where_they_are_not_sent")]
        pub sendfile: bool,

        /// Let each worker listen for itself (`SO_REUSEPORT`).
        #[flags("--reuse-port")]
        #[kind(Switch)]
        #[tested("titles::two_servers_can_share_an_address")]
        pub reuse_port: bool,

        /// The folder to change to before the app is loaded.
        ///
        /// It comes first on `sys.path`. The default is the current folder.
        #[flags("--chdir")]
        #[kind(Text("DIR"))]
        #[check(check::folder)]
        #[tested("finding::more_folders_of_modules_can_be_named")]
        pub chdir: Option<PathBuf>,

        /// Run in the background, without a terminal.
        ///
        /// The command ends with code 0 once the first worker serves, or half a minute
        /// after the sockets are open. A server that does not come up ends it with the
        /// server's own exit code, and the command prints why.
        #[flags("-D", "--daemon")]
        #[kind(Switch)]
        #[tested("daemon::it_goes_on_in_the_background")]
        pub daemon: bool,

        /// A variable for the app's environment, as `KEY=VALUE`; may be given
        /// several times.
        #[flags("-e", "--env")]
        #[kind(List("KEY=VALUE"))]
        #[check(check::variables)]
        #[tested("arbiter::variables_reach_the_app")]
        pub raw_env: Vec<OsString>,

        /// A file for the master's process id.
        ///
        /// The master keeps it locked. A second server with the same file does not start;
        /// a file that names a process which is no server that has it is written anew.
        #[flags("-p", "--pid")]
        #[kind(Text("FILE"))]
        #[tested("pidfile::it_names_the_master_and_is_gone_at_the_end")]
        pub pidfile: Option<PathBuf>,

        /// The folder of the workers' heartbeat files.
        #[flags("--worker-tmp-dir")]
        #[kind(Text("DIR"))]
        #[support(Ignored(
            "A worker's sign of life lies in shared memory, so there is no file to place."
        ))]
        pub worker_tmp_dir: Option<PathBuf>,

        /// The user that workers run as: a name or a number.
        ///
        /// The default is the user that starts the server.
        #[flags("-u", "--user")]
        #[kind(Text("USER"))]
        #[check(check::user)]
        #[tested("users::workers_give_up_the_masters_rights")]
        pub user: Option<u32>,

        /// The group that workers run as: a name or a number.
        ///
        /// The default is the group of the user that starts the server.
        #[flags("-g", "--group")]
        #[kind(Text("GROUP"))]
        #[check(check::group)]
        #[tested("users::workers_give_up_the_masters_rights")]
        pub group: Option<u32>,

        /// The mask of the rights of a unix socket; octal when it begins with 0.
        ///
        /// The default lets everyone connect.
        #[flags("-m", "--umask")]
        #[kind(Mode("INT"))]
        #[default(0)]
        #[check(check::mode)]
        #[tested("users::workers_give_up_the_masters_rights")]
        pub umask: u32,

        /// Give workers all the groups of their `user`.
        #[flags("--initgroups")]
        #[kind(Switch)]
        #[tested("users::the_users_other_groups_come_along_when_asked_for")]
        pub initgroups: bool,

        /// The folder of long bodies while they come in; see `body_spool_size`.
        #[kind(Text("DIR"))]
        #[check(check::folder)]
        #[tested("settings::long_bodies_wait_in_a_file_without_a_name")]
        pub tmp_upload_dir: Option<PathBuf>,

        /// Header fields, and their values, by which a trusted client says that the
        /// request came over TLS.
        ///
        /// Where the value is `https`, `wss` says the same: some proxies name a
        /// WebSocket's scheme so.
        #[kind(Text("DICT"))]
        #[default(check::default_scheme_headers())]
        #[check(check::text_dict)]
        #[tested("settings::fields_of_a_proxy_have_the_names_that_are_given")]
        pub secure_scheme_headers: Vec<(String, String)>,

        /// Clients whose word about the scheme is taken: addresses and networks
        /// with commas between them, or `*` for all.
        ///
        /// Name the proxy that stands before this server. A client over a unix
        /// socket is always trusted.
        #[flags("--forwarded-allow-ips")]
        #[kind(Text("ADDRESSES"))]
        #[default(TrustedPeers::local())]
        #[variable("FORWARDED_ALLOW_IPS", Value::from)]
        #[tested("requests::the_word_of_a_trusted_proxy_is_taken")]
        pub forwarded_allow_ips: TrustedPeers,

        /// Folders to put on `sys.path`, with commas between them.
        ///
        /// Relative ones are meant from the folder that `chdir` names.
        #[flags("--pythonpath")]
        #[kind(Text("DIRS"))]
        #[tested("finding::more_folders_of_modules_can_be_named")]
        pub pythonpath: Option<OsString>,

        /// An app described by a PasteDeploy file.
        #[flags("--paste", "--paster")]
        #[kind(Text("INI"))]
        #[support(Refused(
            "PasteDeploy files are not read; write a module with \"from paste.deploy import loadapp; application = loadapp('config:/path/app.ini')\" and name it as APP_MODULE"
        ))]
        pub paste: Option<String>,

        /// Take a PROXY protocol header at the start of a connection: `off`, `v1`,
        /// `v2` or `auto` for either.
        ///
        /// The option alone means `auto`. Only the clients in `proxy_allow_ips` may send
        /// one; theirs is the client's address then.
        #[flags("--proxy-protocol")]
        #[kind(OptionalText("MODE", "auto"))]
        #[choices(ProxyMode::NAMES)]
        #[default(ProxyMode::Off)]
        #[check(proxy_protocol)]
        #[tested("slow_clients::proxies_tell_for_whom_they_speak")]
        pub proxy_protocol: ProxyMode,

        /// Clients that may send a PROXY protocol header: addresses and networks
        /// with commas between them, or `*` for all.
        #[flags("--proxy-allow-from")]
        #[kind(Text("ADDRESSES"))]
        #[default(TrustedPeers::local())]
        #[tested("slow_clients::proxies_tell_for_whom_they_speak")]
        pub proxy_allow_ips: TrustedPeers,

        /// The field from which the client's address is taken: `off`,
        /// `x-forwarded-for` or `forwarded`.
        ///
        /// Only of clients in `forwarded_allow_ips`, whose addresses in the field are
        /// passed over, too; a port beside the address is taken with it. The flag alone
        /// means `x-forwarded-for`.
        #[flags("--proxy-headers")]
        #[kind(OptionalText("FIELD", "x-forwarded-for"))]
        #[choices(Option::<AddressField>::NAMES)]
        #[check(|value| choice(switch_as("x-forwarded-for", value)))]
        #[tested("slow_clients::proxies_tell_for_whom_they_speak")]
        pub proxy_headers: Option<AddressField>,

        /// The protocol that clients speak: `http`.
        #[flags("--protocol")]
        #[kind(Text("PROTOCOL"))]
        #[default("http".to_owned())]
        #[support(Refused("only HTTP is spoken; let nginx use proxy_pass instead of uwsgi_pass"))]
        pub protocol: String,

        /// Clients that may speak the uwsgi protocol.
        #[flags("--uwsgi-allow-from")]
        #[kind(Text("ADDRESSES"))]
        #[default(TrustedPeers::local())]
        #[support(Ignored("The uwsgi protocol is not spoken, so nobody needs to be allowed to."))]
        pub uwsgi_allow_ips: TrustedPeers,

        /// A variable for a PasteDeploy file; may be given several times.
        #[flags("--paste-global")]
        #[kind(List("CONF"))]
        #[support(Refused(
            "PasteDeploy files are not read; pass global_conf to loadapp in a module of your own"
        ))]
        pub raw_paste_global_conf: Vec<String>,

        /// Accept header fields that are continued in the next line.
        ///
        /// This and the next four are for old clients; they open ways to smuggle
        /// requests past a proxy.
        #[flags("--permit-obsolete-folding")]
        #[kind(Switch)]
        #[tested("settings::what_old_clients_send_is_taken_when_asked_for")]
        pub permit_obsolete_folding: bool,

        /// Accept spaces between a header field's name and its colon.
        #[flags("--strip-header-spaces")]
        #[kind(Switch)]
        #[tested("settings::what_old_clients_send_is_taken_when_asked_for")]
        pub strip_header_spaces: bool,

        /// Accept methods that are short, long, lower case or with `#`.
        #[flags("--permit-unconventional-http-method")]
        #[kind(Switch)]
        #[tested("settings::what_old_clients_send_is_taken_when_asked_for")]
        pub permit_unconventional_http_method: bool,

        /// Accept HTTP versions other than 1.0 and 1.1.
        #[flags("--permit-unconventional-http-version")]
        #[kind(Switch)]
        #[tested("settings::what_old_clients_send_is_taken_when_asked_for")]
        pub permit_unconventional_http_version: bool,

        /// Turn the method into upper case.
        #[flags("--casefold-http-method")]
        #[kind(Switch)]
        #[tested("settings::what_old_clients_send_is_taken_when_asked_for")]
        pub casefold_http_method: bool,

        /// Names with an underscore that a trusted client's header fields may have,
        /// with commas between them; `*` for all.
        #[flags("--forwarder-headers")]
        #[kind(Text("NAMES"))]
        #[default(Names::of_paths())]
        #[tested("settings::fields_of_a_proxy_have_the_names_that_are_given")]
        pub forwarder_headers: Names,

        /// What becomes of other header fields with an underscore in their name:
        /// `drop`, `refuse` or `dangerous` to keep them.
        #[flags("--header-map")]
        #[kind(Text("WORD"))]
        #[choices(Underscores::NAMES)]
        #[default(Underscores::Drop)]
        #[tested("settings::fields_with_an_underscore_are_mapped_as_asked_for")]
        pub header_map: Underscores,

        /// The `root_path` of ASGI apps.
        #[flags("--root-path")]
        #[kind(Text("PATH"))]
        #[tested("asgi::what_the_app_sees_of_the_request")]
        pub root_path: String,

        /// The value of the `Server` field of answers, in printable ASCII; empty for no field.
        #[flags("--server-header")]
        #[kind(Text("STRING"))]
        #[default("rgunicorn".to_owned())]
        #[check(check::field_value)]
        #[tested("settings::what_old_clients_send_is_taken_when_asked_for")]
        pub server_header: String,

        /// The header field of a request's id, such as `X-Request-ID`; none for no ids.
        ///
        /// A trusted client's is kept, else one is made. It is `REQUEST_ID` in the environ,
        /// `rgunicorn.request_id` in the scope of ASGI, `request_id` in the access log, and
        /// stands in brackets behind the request in the error log.
        #[flags("--request-id")]
        #[kind(Text("FIELD"))]
        #[check(check::field_name)]
        #[tested("slow_clients::proxies_tell_for_whom_they_speak")]
        pub request_id: Option<String>,

        /// Answers have the request's id too, in the field that `request_id` names.
        #[flags("--request-id-in-response")]
        #[kind(Switch)]
        #[tested("request_ids::clients_are_told_of_them_if_asked_for")]
        pub request_id_in_response: bool,

        /// Seconds after which a client that was answered 503 shall come again; 0 for no word.
        #[flags("--retry-after")]
        #[kind(Number("INT"))]
        #[default(1)]
        #[tested("slow_clients::a_client_may_have_only_so_many_connections")]
        pub retry_after: u32,
    }
);

/// The value of `SENDFILE`, with the words that Gunicorn knows.
fn sendfile(text: OsString) -> Value {
    let on = ["y", "1", "yes", "true"];
    Value::Bool(on.iter().any(|word| text.eq_ignore_ascii_case(word)))
}
