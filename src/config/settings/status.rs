//! What the server says of itself, to whom, and who may steer it.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::config::check;
use crate::config::section::section;
use crate::config::setting::Kind::{Mode, Number, Switch, Text};

section!(
    /// What the server says of itself, and to whom.
    #[section("Status")]
    pub struct Status {
        /// An address where the master tells how the server is: `HOST:PORT` or
        /// `unix:PATH`; none for no such address.
        ///
        /// `/` is a page for people, `/status.json` the same as data, `/metrics` is for
        /// Prometheus, `/live` and `/ready` are for probes. The master answers, so
        /// that it does not matter what the workers do. See
        /// `docs/guide/observability.md`.
        #[flags("--status-bind")]
        #[kind(Text("ADDRESS"))]
        #[check(check::one_address)]
        #[tested("status::the_master_tells_how_the_server_is")]
        pub status_bind: Option<String>,

        /// The certificate for TLS at `status_bind`, with its chain (PEM).
        #[flags("--status-certfile")]
        #[kind(Text("FILE"))]
        #[tested("status::it_speaks_tls_and_asks_for_the_token")]
        pub status_certfile: Option<PathBuf>,

        /// The key of `status_certfile` (PEM).
        #[flags("--status-keyfile")]
        #[kind(Text("FILE"))]
        #[tested("status::it_speaks_tls_and_asks_for_the_token")]
        pub status_keyfile: Option<PathBuf>,

        /// A file with a token that clients at `status_bind` must show.
        ///
        /// As `Authorization: Bearer TOKEN`, or as the password of HTTP basic
        /// authentication, for browsers. `/live` and `/ready` need none. The file is
        /// read at the start and at each reload.
        #[flags("--status-token-file")]
        #[kind(Text("FILE"))]
        #[tested("status::it_speaks_tls_and_asks_for_the_token")]
        pub status_token_file: Option<PathBuf>,

        /// Let the page at `status_bind` reload the settings and change how many workers
        /// there are.
        #[flags("--status-allow-control")]
        #[kind(Switch)]
        #[tested("status::the_page_steers_only_where_it_may")]
        pub status_allow_control: bool,

        /// A path at which the workers answer probes, such as `/healthz`; none for no
        /// such path.
        ///
        /// The answer is 200, or 503 while the server drains. The app is not called, and
        /// the request is neither logged nor counted.
        #[flags("--health-path")]
        #[kind(Text("PATH"))]
        #[check(check::health_path)]
        #[tested("health::the_workers_answer_probes_without_the_app")]
        pub health_path: Option<String>,

        /// Seconds that the server goes on serving after TERM, while `/ready` and
        /// `health_path` are answered 503, so that balancers send no more clients.
        ///
        /// A second TERM, INT or QUIT ends that time.
        #[flags("--drain-delay")]
        #[kind(Number("SECONDS"))]
        #[default(0)]
        #[tested("health::after_term_it_serves_on_for_a_while")]
        pub drain_delay: u32,

        /// Seconds between two looks at the stacks of a worker's threads and tasks; 0 for
        /// none.
        ///
        /// The last look is kept in memory that survives the worker, and is logged if the
        /// worker dies.
        #[flags("--stack-sampling")]
        #[kind(Number("SECONDS"))]
        #[default(0)]
        #[tested("stacks::a_dead_workers_last_stacks_are_logged")]
        pub stack_sampling: u32,
    }
);

section!(
    /// The socket through which the server is steered.
    #[section("Control")]
    pub struct Control {
        /// A unix socket for commands, in Gunicorn's protocol.
        ///
        /// There is always one without a file, unless `control_socket_disable` is set:
        /// `rgunicorn ctl` finds it, for the same user and for root. Give a path for
        /// `gunicornc`.
        #[flags("--control-socket")]
        #[kind(Text("PATH"))]
        #[tested("control::gunicorns_own_client_steers_it")]
        pub control_socket: Option<OsString>,

        /// The rights of the file of `control_socket`.
        #[flags("--control-socket-mode")]
        #[kind(Mode("INT"))]
        #[default(0o600)]
        #[check(check::mode)]
        #[tested("control::gunicorns_own_client_steers_it")]
        pub control_socket_mode: u32,

        /// Have no control socket.
        #[flags("--no-control-socket")]
        #[kind(Switch)]
        #[tested("control::it_can_be_turned_off")]
        pub control_socket_disable: bool,
    }
);
