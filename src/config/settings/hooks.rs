//! The functions of a config file that are called as things happen.

macro_rules! hooks {
    ([$($before:tt)*] $next:ident $($rest:ident)*) => {
        $next! { [
            $($before)*

            section "Server Hooks";
            /// Called in the master before it listens.
            on_starting: Hook {
                kind: Kind::Hook(&["server"]),
                default: Hook::default(),
                check: Hook::check,
            }

            /// Called in the master at HUP, before the new workers.
            on_reload: Hook {
                kind: Kind::Hook(&["server"]),
                default: Hook::default(),
                check: Hook::check,
            }

            /// Called in the master once it listens, before the first worker.
            when_ready: Hook {
                kind: Kind::Hook(&["server"]),
                default: Hook::default(),
                check: Hook::check,
            }

            /// Called in the master before each worker's process is made.
            pre_fork: Hook {
                kind: Kind::Hook(&["server", "worker"]),
                default: Hook::default(),
                check: Hook::check,
            }

            /// Called in each worker before the app is loaded.
            post_fork: Hook {
                kind: Kind::Hook(&["server", "worker"]),
                default: Hook::default(),
                check: Hook::check,
            }

            /// Called in each worker once the app is loaded.
            post_worker_init: Hook {
                kind: Kind::Hook(&["worker"]),
                default: Hook::default(),
                check: Hook::check,
            }

            /// Called in a worker at INT or QUIT.
            worker_int: Hook {
                kind: Kind::Hook(&["worker"]),
                default: Hook::default(),
                check: Hook::check,
            }

            /// Called in a worker at ABRT, which comes when it takes too long.
            worker_abort: Hook {
                kind: Kind::Hook(&["worker"]),
                default: Hook::default(),
                check: Hook::check,
            }

            /// Called in the new master's process at USR2, before it becomes one.
            pre_exec: Hook {
                kind: Kind::Hook(&["server"]),
                default: Hook::default(),
                check: Hook::check,
            }

            /// Called in a worker before the app is.
            pre_request: Hook {
                kind: Kind::Hook(&["worker", "req"]),
                default: Hook::default(),
                check: Hook::check,
            }

            /// Called in a worker after the answer.
            ///
            /// The last argument, or the last two, can be left out.
            post_request: Hook {
                kind: Kind::Hook(&["worker", "req", "environ", "resp"]),
                default: Hook::default(),
                check: Hook::check,
            }

            /// Called in the master after a worker has ended.
            child_exit: Hook {
                kind: Kind::Hook(&["server", "worker"]),
                default: Hook::default(),
                check: Hook::check,
            }

            /// Called in each worker before it ends.
            worker_exit: Hook {
                kind: Kind::Hook(&["server", "worker"]),
                default: Hook::default(),
                check: Hook::check,
            }

            /// Called in the master when the number of workers changes.
            ///
            /// At the start, the old value is `None`.
            nworkers_changed: Hook {
                kind: Kind::Hook(&["server", "new_value", "old_value"]),
                default: Hook::default(),
                check: Hook::check,
            }

            /// Called in the master before it ends.
            on_exit: Hook {
                kind: Kind::Hook(&["server"]),
                default: Hook::default(),
                check: Hook::check,
            }

            /// Makes the `ssl.SSLContext`.
            ssl_context: Hook {
                kind: Kind::Hook(&["config", "default_ssl_context_factory"]),
                default: Hook::default(),
                support: Support::Refused(
                    "TLS is not Python's here; use certfile, keyfile, ca_certs, cert_reqs and ciphers"
                ),
                check: Hook::check,
            }
        ] $($rest)* }
    };
}

pub(super) use hooks;
