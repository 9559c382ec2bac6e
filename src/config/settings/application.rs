//! Our own: where the app and its dependencies are.

macro_rules! application {
    ([$($before:tt)*] $next:ident $($rest:ident)*) => {
        $next! { [
            $($before)*

            section "Application";
            /// A zip with the app inside, served as if it were unpacked.
            ///
            /// Its modules stand at its root; its dependencies at its root or under
            /// `site-packages/`.
            app_zip: Option<PathBuf> {
                flags: &["--app-zip"],
                kind: Kind::Text("FILE"),
                default: None,
                variable: ("RGUNICORN_APP_ZIP", Value::from),
                check: check::path,
            }

            /// The folder that zips are unpacked into, once for each content.
            ///
            /// Without it, the first writable one of a few usual places is taken.
            app_cache_dir: Option<PathBuf> {
                flags: &["--app-cache-dir"],
                kind: Kind::Text("DIR"),
                default: None,
                variable: ("RGUNICORN_APP_CACHE_DIR", Value::from),
                check: check::path,
            }

            /// Let native modules find libraries that only the host has.
            ///
            /// For wheels that open a library by its bare name, such as `libmagic.so.1`.
            /// The variable turns it on with `1`, `true`, `yes` or `on`, and off with `0`,
            /// `false`, `no` or `off`. The libraries run with the C library inside the
            /// executable, so the host's must not be newer;
            /// see [Runs anywhere](../guide/runs-anywhere.md#host-libraries).
            host_libraries: bool {
                flags: &["--host-libraries"],
                kind: Kind::Switch,
                default: false,
                variable: ("RGUNICORN_HOST_LIBRARIES", Value::of_switch),
                check: check::switch,
            }

            /// Read the variable `PYTHONPATH`, as Gunicorn does.
            ///
            /// Its folders come on `sys.path` after those of `pythonpath`, and a
            /// `sitecustomize` in them is run: by this, agents that start the server with a
            /// command of theirs get into it ([Agents](../guide/agents.md)). The variable turns it
            /// on with `1`, `true`, `yes` or `on`.
            read_pythonpath: bool {
                flags: &["--read-pythonpath"],
                kind: Kind::Switch,
                default: false,
                variable: ("RGUNICORN_READ_PYTHONPATH", Value::of_switch),
                check: check::switch,
            }

            /// The virtual environment that holds the app's dependencies.
            ///
            /// Without it, `$VIRTUAL_ENV` is taken, else `.venv` beside the app when
            /// it was made by the same version of Python.
            venv: Option<PathBuf> {
                flags: &["--venv"],
                kind: Kind::Text("DIR"),
                default: None,
                check: check::folder,
            }
        ] $($rest)* }
    };
}

pub(super) use application;
