//! What Gunicorn runs next to its workers, and this server does not.

macro_rules! dirty {
    ([$($before:tt)*] $next:ident $($rest:ident)*) => {
        $next! { [
            $($before)*

            section "Dirty Arbiters";
            /// An app for dirty workers.
            dirty_apps: Vec<String> {
                flags: &["--dirty-app"],
                kind: Kind::List("APP"),
                default: Vec::new(),
                support: Support::Refused(
                    "there are no dirty workers; run long work in a process of its own, such as a Celery or RQ worker"
                ),
                check: check::texts,
            }

            /// The number of dirty workers.
            dirty_workers: u32 {
                flags: &["--dirty-workers"],
                kind: Kind::Number("INT"),
                default: 0,
                support: Support::Refused(
                    "there are no dirty workers; run long work in a process of its own, such as a Celery or RQ worker"
                ),
                check: check::number,
            }

            /// Seconds that a dirty worker may take.
            dirty_timeout: u32 {
                flags: &["--dirty-timeout"],
                kind: Kind::Number("INT"),
                default: 300,
                support: Support::Ignored(
                    "There are no dirty workers; the settings about them change nothing."
                ),
                check: check::number,
            }

            /// Threads of a dirty worker.
            dirty_threads: u32 {
                flags: &["--dirty-threads"],
                kind: Kind::Number("INT"),
                default: 1,
                support: Support::Ignored(
                    "There are no dirty workers; the settings about them change nothing."
                ),
                check: check::number,
            }

            /// Seconds that dirty workers get to finish.
            dirty_graceful_timeout: u32 {
                flags: &["--dirty-graceful-timeout"],
                kind: Kind::Number("INT"),
                default: 30,
                support: Support::Ignored(
                    "There are no dirty workers; the settings about them change nothing."
                ),
                check: check::number,
            }

            section "Dirty Arbiter Hooks";
            /// Called before dirty workers start.
            on_dirty_starting: Hook {
                kind: Kind::Hook(&["arbiter"]),
                default: Hook::default(),
                support: Support::Ignored(
                    "There are no dirty workers; the settings about them change nothing."
                ),
                check: Hook::check,
            }

            /// Called in each new dirty worker.
            dirty_post_fork: Hook {
                kind: Kind::Hook(&["arbiter", "worker"]),
                default: Hook::default(),
                support: Support::Ignored(
                    "There are no dirty workers; the settings about them change nothing."
                ),
                check: Hook::check,
            }

            /// Called in each dirty worker with its apps.
            dirty_worker_init: Hook {
                kind: Kind::Hook(&["worker"]),
                default: Hook::default(),
                support: Support::Ignored(
                    "There are no dirty workers; the settings about them change nothing."
                ),
                check: Hook::check,
            }

            /// Called after a dirty worker has ended.
            dirty_worker_exit: Hook {
                kind: Kind::Hook(&["arbiter", "worker"]),
                default: Hook::default(),
                support: Support::Ignored(
                    "There are no dirty workers; the settings about them change nothing."
                ),
                check: Hook::check,
            }

            section "Control";
            /// The unix socket for gunicornc.
            control_socket: Option<OsString> {
                flags: &["--control-socket"],
                kind: Kind::Text("PATH"),
                default: None,
                support: Support::Ignored(
                    "There is no control socket; signals do what it does."
                ),
                check: check::optional_system_text,
            }

            /// The rights of the control socket.
            control_socket_mode: u32 {
                flags: &["--control-socket-mode"],
                kind: Kind::Mode("INT"),
                default: 0o600,
                support: Support::Ignored(
                    "There is no control socket."
                ),
                check: check::mode,
            }

            /// Have no control socket; there is none in any case.
            control_socket_disable: bool {
                flags: &["--no-control-socket"],
                kind: Kind::Switch,
                default: false,
                check: check::switch,
            }
        ] $($rest)* }
    };
}

pub(super) use dirty;
