//! Where the settings, the app and the connections come from.

use std::ffi::OsString;

use crate::config::check;
use crate::config::section::section;
use crate::config::setting::Kind::{List, Number, Text};
use crate::config::value::Value;

section!(
    /// Where the settings and the app come from.
    #[section("Config File")]
    pub struct Sources {
        /// The config file: a path, `file:PATH` or `python:MODULE`.
        ///
        /// Without it, `gunicorn.conf.py` in the current folder is read if there is
        /// one; see [The config file](../guide/config-file.md). It counts only on the command line and
        /// in `GUNICORN_CMD_ARGS`.
        #[flags("-c", "--config")]
        #[kind(Text("CONFIG"))]
        #[default("./gunicorn.conf.py".into())]
        #[tested("config_file::it_is_read_from_where_the_option_says")]
        pub config: OsString,

        /// The app to serve, as `module:name`, when the command line names none.
        ///
        /// The name may be dotted or a call with literal arguments:
        /// `module:factory("x", k=1)`.
        #[kind(Text("APP_MODULE"))]
        #[tested("finding::the_config_files_wsgi_app_comes_first")]
        pub wsgi_app: Option<String>,
    }
);

section!(
    /// Where the server listens.
    #[section("Server Socket")]
    pub struct Socket {
        /// The address to listen at; may be given several times.
        ///
        /// `HOST`, `HOST:PORT`, `[IPV6]:PORT`, `tcp://HOST:PORT`, `unix:PATH`,
        /// `unix://PATH` or `fd://NUMBER`. Port 0 takes a free one. When `PORT` is set
        /// in the environment, the default is `0.0.0.0:$PORT`.
        #[flags("-b", "--bind")]
        #[kind(List("ADDRESS"))]
        #[default(vec!["127.0.0.1:8000".into()])]
        #[variable("PORT", |port| Value::Str(format!("0.0.0.0:{}", port.display())))]
        #[check(check::addresses)]
        #[tested("arbiter::it_listens_wherever_it_is_told_to")]
        pub bind: Vec<OsString>,

        /// How many connections may wait to be accepted, as in `listen(2)`.
        #[flags("--backlog")]
        #[kind(Number("INT"))]
        #[default(2048)]
        #[tested("settings::a_short_backlog_holds_few_connections")]
        pub backlog: u32,
    }
);
