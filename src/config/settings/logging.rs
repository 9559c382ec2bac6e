//! What is told, in which form, and to whom.

macro_rules! logging {
    ([$($before:tt)*] $next:ident $($rest:ident)*) => {
        $next! { [
            $($before)*

            section "Logging";
            /// The file of the access log; `-` for standard output, none for no log.
            accesslog: Option<OsString> {
                flags: &["--access-logfile"],
                kind: Kind::Text("FILE"),
                default: None,
                check: check::optional_system_text,
            }

            /// Keep the access log out of syslog.
            disable_redirect_access_to_syslog: bool {
                flags: &["--disable-redirect-access-to-syslog"],
                kind: Kind::Switch,
                default: false,
                check: check::switch,
            }

            /// The form of a line of the access log.
            ///
            /// | atom | stands for |
            /// |---|---|
            /// | `%(h)s` | the client's address |
            /// | `%(l)s` | `-` |
            /// | `%(u)s` | the user of HTTP basic authentication |
            /// | `%(t)s` | the time, `[10/Oct/2000:13:55:36 +0000]` |
            /// | `%(r)s` | the request line |
            /// | `%(m)s` | the method |
            /// | `%(U)s` | the path without the query, decoded (`PATH_INFO`) |
            /// | `%(q)s` | the query |
            /// | `%(H)s` | the protocol, such as `HTTP/1.1` |
            /// | `%(s)s` | the status |
            /// | `%(b)s`, `%(B)s` | bytes of the body sent |
            /// | `%(f)s` | the referer |
            /// | `%(a)s` | the user agent |
            /// | `%(T)s` | the request's time in whole seconds |
            /// | `%(M)s` | the same in milliseconds |
            /// | `%(D)s` | the same in microseconds |
            /// | `%(L)s` | the same in seconds with six decimals |
            /// | `%(p)s` | the worker's process id, `<123>` |
            /// | `%(request_id)s` | the request's id, else its `X-Request-Id` field |
            /// | `%({name}i)s` | a field of the request |
            /// | `%({name}o)s` | a field of the response |
            /// | `%({name}e)s` | an entry of the WSGI environ |
            ///
            /// `%%` is a percent sign; what has no value is written `-`. In values,
            /// quotes and backslashes get a backslash before them, and control
            /// characters and bytes outside ASCII are written `\xNN`, so that a client
            /// cannot forge a line.
            access_log_format: String {
                flags: &["--access-logformat"],
                kind: Kind::Text("STRING"),
                default: r#"%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s""#.to_owned(),
                check: check::access_format,
            }

            /// Write the access log as one JSON object a line, with typed fields.
            access_log_json: bool {
                flags: &["--access-log-json"],
                kind: Kind::Switch,
                default: false,
                check: check::switch,
            }

            /// The fields of a JSON line of the access log, with commas between them.
            ///
            /// `time` (RFC 3339), `pid`, `remote_addr`, `user`, `method`, `target`, `path`,
            /// `query`, `protocol`, `status`, `bytes`, `duration_s`, `duration_ms`,
            /// `duration_us`, `user_agent`, `referer`, `request_id`; `{name}i`, `{name}o` and
            /// `{name}e` as in `access_log_format`. `trace={x-trace-id}i` calls the field
            /// `trace`. What is not known is `null`.
            access_log_fields: String {
                flags: &["--access-log-fields"],
                kind: Kind::Text("FIELDS"),
                default: "time,pid,remote_addr,method,path,query,protocol,status,bytes,duration_ms,\
                          user_agent,referer,request_id"
                    .to_owned(),
                check: check::access_fields,
            }

            /// The file of the error log; `-` for standard error.
            errorlog: OsString {
                flags: &["--error-logfile", "--log-file"],
                kind: Kind::Text("FILE"),
                default: "-".into(),
                check: check::system_text,
            }

            /// How much the error log tells: `debug`, `info`, `warning`, `error` or
            /// `critical`.
            loglevel: String {
                flags: &["--log-level"],
                kind: Kind::Text("LEVEL"),
                default: "info".to_owned(),
                check: check::text,
            }

            /// Write the error log as one JSON object a line.
            log_json: bool {
                flags: &["--log-json"],
                kind: Kind::Switch,
                default: false,
                check: check::switch,
            }

            /// Write what the app prints to the file of the error log.
            capture_output: bool {
                flags: &["--capture-output"],
                kind: Kind::Switch,
                default: false,
                check: check::switch,
            }

            /// The class of the logger that hooks and the app see.
            ///
            /// A class of the config file's may derive from `gunicorn.glogging.Logger`; see
            /// [The config file](../guide/config-file.md).
            logger_class: String {
                flags: &["--logger-class"],
                kind: Kind::Text("STRING"),
                default: "gunicorn.glogging.Logger".to_owned(),
                check: check::class,
            }

            /// A file in the form of Python's `logging.config.fileConfig`.
            logconfig: Option<PathBuf> {
                flags: &["--log-config"],
                kind: Kind::Text("FILE"),
                default: None,
                check: check::file,
            }

            /// Python's `logging.config.dictConfig`, laid over Gunicorn's own.
            ///
            /// It wins over `logconfig_json`, and that over `logconfig`.
            logconfig_dict: PythonDict {
                kind: Kind::Text("DICT"),
                default: PythonDict::default(),
                check: PythonDict::check_dict,
            }

            /// A JSON file with what `logconfig_dict` has.
            logconfig_json: Option<PathBuf> {
                flags: &["--log-config-json"],
                kind: Kind::Text("FILE"),
                default: None,
                check: check::file,
            }

            /// The address of syslog: `unix://PATH`, `udp://HOST:PORT` or
            /// `tcp://HOST:PORT`.
            ///
            /// A unix path may end in `#dgram` or `#stream`.
            syslog_addr: SyslogAddress {
                flags: &["--log-syslog-to"],
                kind: Kind::Text("ADDRESS"),
                default: SyslogAddress::default(),
                check: SyslogAddress::check,
            }

            /// Write the logs to syslog, too.
            syslog: bool {
                flags: &["--log-syslog"],
                kind: Kind::Switch,
                default: false,
                check: check::switch,
            }

            /// The program's name in syslog, between `gunicorn.` and the log's name.
            syslog_prefix: Option<String> {
                flags: &["--log-syslog-prefix"],
                kind: Kind::Text("STRING"),
                default: None,
                check: check::optional_line,
            }

            /// The facility in syslog, such as `user`, `daemon` or `local0`.
            syslog_facility: SyslogFacility {
                flags: &["--log-syslog-facility"],
                kind: Kind::Text("WORD"),
                default: SyslogFacility::USER,
                check: SyslogFacility::check,
            }

            /// Keep standard output and error when in the background.
            enable_stdio_inheritance: bool {
                flags: &["-R", "--enable-stdio-inheritance"],
                kind: Kind::Switch,
                default: false,
                check: check::switch,
            }

            /// The address of statsd: `HOST:PORT` or `unix://PATH`; the port is 8125.
            statsd_host: Option<StatsdAddress> {
                flags: &["--statsd-host"],
                kind: Kind::Text("ADDRESS"),
                default: None,
                check: StatsdAddress::check,
            }

            /// Tags for every metric, as DogStatsD has them: `a:b,c`.
            dogstatsd_tags: String {
                flags: &["--dogstatsd-tags"],
                kind: Kind::Text("TAGS"),
                default: String::new(),
                check: check::line,
            }

            /// What the names of the metrics begin with.
            statsd_prefix: String {
                flags: &["--statsd-prefix"],
                kind: Kind::Text("PREFIX"),
                default: String::new(),
                check: check::line,
            }

            /// Send how many connections wait to be accepted to statsd.
            enable_backlog_metric: bool {
                flags: &["--enable-backlog-metric"],
                kind: Kind::Switch,
                default: false,
                check: check::switch,
            }

            section "Process Naming";
            /// The name that `ps` shows; the app's by default.
            proc_name: Option<String> {
                flags: &["-n", "--name"],
                kind: Kind::Text("STRING"),
                default: None,
                check: check::optional_line,
            }

            /// The name when `proc_name` gives none.
            default_proc_name: String {
                kind: Kind::Text("STRING"),
                default: "gunicorn".to_owned(),
                check: check::line,
            }
        ] $($rest)* }
    };
}

pub(super) use logging;
