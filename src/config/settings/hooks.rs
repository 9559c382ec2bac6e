//! The functions of a config file that are called as things happen.

use crate::config::python_object::Hook;
use crate::config::section::section;
use crate::config::setting::Kind::Function;
use crate::config::setting::Support::Refused;

section!(
    /// The functions of a config file that are called when something happens.
    #[section("Server Hooks")]
    pub struct ServerHooks {
        /// Called in the master before it listens.
        #[kind(Function(&["server"]))]
        #[tested("hooks::every_hook_is_called_in_order_and_in_its_process")]
        pub on_starting: Hook,

        /// Called in the master at HUP, before the new workers.
        #[kind(Function(&["server"]))]
        #[tested("hooks::hooks_are_told_of_signals")]
        pub on_reload: Hook,

        /// Called in the master once it listens, before the first worker.
        #[kind(Function(&["server"]))]
        #[tested("hooks::every_hook_is_called_in_order_and_in_its_process")]
        pub when_ready: Hook,

        /// Called in the master before each worker's process is made.
        #[kind(Function(&["server", "worker"]))]
        #[tested("hooks::every_hook_is_called_in_order_and_in_its_process")]
        pub pre_fork: Hook,

        /// Called in each worker before the app is loaded.
        #[kind(Function(&["server", "worker"]))]
        #[tested("hooks::every_hook_is_called_in_order_and_in_its_process")]
        pub post_fork: Hook,

        /// Called in each worker once the app is loaded.
        #[kind(Function(&["worker"]))]
        #[tested("hooks::every_hook_is_called_in_order_and_in_its_process")]
        pub post_worker_init: Hook,

        /// Called in a worker at INT or QUIT.
        #[kind(Function(&["worker"]))]
        #[tested("hooks::hooks_are_told_of_signals")]
        pub worker_int: Hook,

        /// Called in a worker at ABRT, which comes when it takes too long.
        #[kind(Function(&["worker"]))]
        #[tested("hooks::worker_abort_is_called_at_abrt")]
        pub worker_abort: Hook,

        /// Called in the new master's process at USR2, before it becomes one.
        #[kind(Function(&["server"]))]
        #[tested("settings::pre_exec_is_called_in_the_next_masters_process")]
        pub pre_exec: Hook,

        /// Called in a worker before the app is.
        #[kind(Function(&["worker", "req"]))]
        #[tested("hooks::every_hook_is_called_in_order_and_in_its_process")]
        pub pre_request: Hook,

        /// Called in a worker after the answer.
        ///
        /// The last argument, or the last two, can be left out.
        #[kind(Function(&["worker", "req", "environ", "resp"]))]
        #[tested("hooks::every_hook_is_called_in_order_and_in_its_process")]
        pub post_request: Hook,

        /// Called in the master after a worker has ended.
        #[kind(Function(&["server", "worker"]))]
        #[tested("hooks::every_hook_is_called_in_order_and_in_its_process")]
        pub child_exit: Hook,

        /// Called in each worker before it ends.
        #[kind(Function(&["server", "worker"]))]
        #[tested("hooks::every_hook_is_called_in_order_and_in_its_process")]
        pub worker_exit: Hook,

        /// Called in the master when the number of workers changes.
        ///
        /// At the start, the old value is `None`.
        #[kind(Function(&["server", "new_value", "old_value"]))]
        #[tested("hooks::hooks_are_told_of_signals")]
        pub nworkers_changed: Hook,

        /// Called in the master before it ends.
        #[kind(Function(&["server"]))]
        #[tested("hooks::every_hook_is_called_in_order_and_in_its_process")]
        pub on_exit: Hook,

        /// Makes the `ssl.SSLContext`.
        #[kind(Function(&["config", "default_ssl_context_factory"]))]
        #[support(Refused(
            "TLS is not Python's here; use certfile, keyfile, ca_certs, cert_reqs and ciphers"
        ))]
        pub ssl_context: Hook,
    }
);
