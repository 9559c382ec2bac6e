//! What helps while a site is made.

macro_rules! debugging {
    ([$($before:tt)*] $next:ident $($rest:ident)*) => {
        $next! { [
            $($before)*

            section "Debugging";
            /// Replace the workers when the app's code changes.
            reload: bool {
                flags: &["--reload"],
                kind: Kind::Switch,
                default: false,
                check: check::switch,
            }

            /// How changes are noticed: `auto`, `poll` or `inotify`.
            reload_engine: ReloadEngine {
                flags: &["--reload-engine"],
                kind: Kind::Text("WORD"),
                default: ReloadEngine::Auto,
                check: ReloadEngine::check,
            }

            /// Another file to watch; may be given several times.
            ///
            /// It may be a pattern such as `templates/**/*.html`.
            reload_extra_files: Vec<OsString> {
                flags: &["--reload-extra-file"],
                kind: Kind::List("FILES"),
                default: Vec::new(),
                check: check::watched_files,
            }

            /// Print every line of Python that a worker runs.
            spew: bool {
                flags: &["--spew"],
                kind: Kind::Switch,
                default: false,
                check: check::switch,
            }

            /// Check the settings, load the app, and exit: 0 when all is well, else 1.
            check_config: bool {
                flags: &["--check-config"],
                kind: Kind::Switch,
                default: false,
                check: check::switch,
            }

            /// Print all settings, then do as `check_config`.
            print_config: bool {
                flags: &["--print-config"],
                kind: Kind::Switch,
                default: false,
                check: check::switch,
            }
        ] $($rest)* }
    };
}

pub(super) use debugging;
