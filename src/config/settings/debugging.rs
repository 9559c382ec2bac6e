//! What helps while a site is made.

use std::ffi::OsString;

use crate::config::check;
use crate::config::choices::{Choice, ReloadEngine};
use crate::config::section::section;
use crate::config::setting::Kind::{List, Switch, Text};

section!(
    /// What helps while an app is written.
    #[section("Debugging")]
    pub struct Debugging {
        /// Replace the workers when the app's code changes.
        #[flags("--reload")]
        #[kind(Switch)]
        #[tested("watching::a_changed_module_is_served_with_either_engine")]
        pub reload: bool,

        /// How changes are noticed: `auto`, `poll` or `inotify`.
        #[flags("--reload-engine")]
        #[kind(Text("WORD"))]
        #[choices(ReloadEngine::NAMES)]
        #[default(ReloadEngine::Auto)]
        #[tested("watching::a_changed_module_is_served_with_either_engine")]
        pub reload_engine: ReloadEngine,

        /// Another file to watch; may be given several times.
        ///
        /// It may be a pattern such as `templates/**/*.html`.
        #[flags("--reload-extra-file")]
        #[kind(List("FILES"))]
        #[check(check::watched_files)]
        #[tested("watching::other_files_are_watched_by_name_and_by_pattern")]
        pub reload_extra_files: Vec<OsString>,

        /// Print every line of Python that a worker runs.
        #[flags("--spew")]
        #[kind(Switch)]
        #[tested("deadlines::spew_prints_the_lines_that_are_run")]
        pub spew: bool,

        /// Check the settings, load the app, and exit: 0 when all is well, else 1.
        #[flags("--check-config")]
        #[kind(Switch)]
        #[tested("errors::check_config_tells_by_its_exit_code")]
        pub check_config: bool,

        /// Print all settings, then do as `check_config`.
        #[flags("--print-config")]
        #[kind(Switch)]
        #[tested("config_file::the_command_line_and_its_variable_win")]
        pub print_config: bool,
    }
);
