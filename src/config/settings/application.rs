//! Our own: where the app and its dependencies are.

use std::path::PathBuf;

use crate::config::check;
use crate::config::section::section;
use crate::config::setting::Kind::{Switch, Text};
use crate::config::value::Value;

section!(
    /// Our own: where the app and its dependencies are.
    #[section("Application")]
    pub struct Application {
        /// A zip with the app inside, served as if it were unpacked.
        ///
        /// Its modules stand at its root; its dependencies at its root or under
        /// `site-packages/`.
        #[flags("--app-zip")]
        #[kind(Text("FILE"))]
        #[variable("RGUNICORN_APP_ZIP", Value::from)]
        #[tested("flask_and_django::flask_from_a_zip")]
        pub app_zip: Option<PathBuf>,

        /// The folder that zips are unpacked into, once for each content.
        ///
        /// Without it, the first writable one of a few usual places is taken.
        #[flags("--app-cache-dir")]
        #[kind(Text("DIR"))]
        #[variable("RGUNICORN_APP_CACHE_DIR", Value::from)]
        #[tested("from_zip::starts_at_the_same_time_share_one_folder")]
        pub app_cache_dir: Option<PathBuf>,

        /// Let native modules find libraries that only the host has.
        ///
        /// For wheels that open a library by its bare name, such as `libmagic.so.1`.
        /// The variable turns it on with `1`, `true`, `yes` or `on`, and off with `0`,
        /// `false`, `no` or `off`. The libraries run with the C library inside the
        /// executable, so the host's must not be newer;
        /// see [Runs anywhere](../guide/runs-anywhere.md#host-libraries).
        #[flags("--host-libraries")]
        #[kind(Switch)]
        #[variable("RGUNICORN_HOST_LIBRARIES", Value::of_switch)]
        #[tested("libraries::the_hosts_libraries_are_used_only_when_the_user_says_so")]
        pub host_libraries: bool,

        /// Read the variable `PYTHONPATH`, as Gunicorn does.
        ///
        /// Its folders come on `sys.path` after those of `pythonpath`, and a
        /// `sitecustomize` in them is run: by this, agents that start the server with a
        /// command of theirs get into it ([Agents](../guide/agents.md)). The variable turns it
        /// on with `1`, `true`, `yes` or `on`.
        #[flags("--read-pythonpath")]
        #[kind(Switch)]
        #[variable("RGUNICORN_READ_PYTHONPATH", Value::of_switch)]
        #[tested("customize::a_folder_in_pythonpath_is_read_if_the_setting_says_so")]
        pub read_pythonpath: bool,

        /// The virtual environment that holds the app's dependencies.
        ///
        /// Without it, `$VIRTUAL_ENV` is taken, else `.venv` beside the app when
        /// it was made by the same version of Python.
        #[flags("--venv")]
        #[kind(Text("DIR"))]
        #[check(check::folder)]
        #[tested("finding::a_venv_for_another_python_is_passed_over_unless_named")]
        pub venv: Option<PathBuf>,
    }
);
