//! Where the settings, the app and the connections come from.

macro_rules! sources {
    ([$($before:tt)*] $next:ident $($rest:ident)*) => {
        $next! { [
            $($before)*

            section "Config File";
            /// The config file: a path, `file:PATH` or `python:MODULE`.
            ///
            /// Without it, `gunicorn.conf.py` in the current folder is read if there is
            /// one; see [The config file](../guide/config-file.md). It counts only on the command line and
            /// in `GUNICORN_CMD_ARGS`.
            config: OsString {
                flags: &["-c", "--config"],
                kind: Kind::Text("CONFIG"),
                default: "./gunicorn.conf.py".into(),
                check: check::system_text,
            }

            /// The app to serve, as `module:name`, when the command line names none.
            ///
            /// The name may be dotted or a call with literal arguments:
            /// `module:factory("x", k=1)`.
            wsgi_app: Option<String> {
                kind: Kind::Text("APP_MODULE"),
                default: None,
                check: check::optional_text,
            }

            section "Server Socket";
            /// The address to listen at; may be given several times.
            ///
            /// `HOST`, `HOST:PORT`, `[IPV6]:PORT`, `tcp://HOST:PORT`, `unix:PATH`,
            /// `unix://PATH` or `fd://NUMBER`. Port 0 takes a free one. When `PORT` is set
            /// in the environment, the default is `0.0.0.0:$PORT`.
            bind: Vec<OsString> {
                flags: &["-b", "--bind"],
                kind: Kind::List("ADDRESS"),
                default: vec!["127.0.0.1:8000".into()],
                variable: ("PORT", |port| Value::Str(format!("0.0.0.0:{}", port.display()))),
                check: check::addresses,
            }

            /// How many connections may wait to be accepted, as in `listen(2)`.
            backlog: u32 {
                flags: &["--backlog"],
                kind: Kind::Number("INT"),
                default: 2048,
                check: check::number,
            }
        ] $($rest)* }
    };
}

pub(super) use sources;
