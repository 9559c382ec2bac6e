//! What is told, in which form, and to whom.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::config::check;
use crate::config::log_address::{
    SyslogFacility, default_syslog_address, statsd_address, syslog_address,
};
use crate::config::python_object::PythonDict;
use crate::config::section::section;
use crate::config::setting::Kind::{Switch, Text};
use crate::log::{StatsdAddress, SyslogAddress};

section!(
    /// What is logged, in which form, and where to.
    #[section("Logging")]
    pub struct Logging {
        /// The file of the access log; `-` for standard output, none for no log.
        #[flags("--access-logfile")]
        #[kind(Text("FILE"))]
        #[tested("arbiter::each_request_has_its_access_line")]
        pub accesslog: Option<OsString>,

        /// Keep the access log out of syslog.
        #[flags("--disable-redirect-access-to-syslog")]
        #[kind(Switch)]
        #[tested("logs_elsewhere::the_access_log_can_be_kept_out_of_syslog")]
        pub disable_redirect_access_to_syslog: bool,

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
        /// | `%(trace_id)s`, `%(span_id)s` | the ids of its trace (`trace_context`) |
        /// | `%({name}i)s` | a field of the request |
        /// | `%({name}o)s` | a field of the response |
        /// | `%({name}e)s` | an entry of the WSGI environ |
        ///
        /// `%%` is a percent sign; what has no value is written `-`. In values,
        /// quotes and backslashes get a backslash before them, and control
        /// characters and bytes outside ASCII are written `\xNN`, so that a client
        /// cannot forge a line.
        #[flags("--access-logformat")]
        #[kind(Text("STRING"))]
        #[default(r#"%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s""#.to_owned())]
        #[check(check::access_format)]
        #[tested("command_line::the_access_log_has_the_form_it_is_given")]
        pub access_log_format: String,

        /// Write the access log as one JSON object a line, with typed fields.
        #[flags("--access-log-json")]
        #[kind(Switch)]
        #[tested("logs::json_lines_have_typed_fields")]
        pub access_log_json: bool,

        /// The fields of a JSON line of the access log, with commas between them.
        ///
        /// `time` (RFC 3339), `pid`, `remote_addr`, `user`, `method`, `target`, `path`,
        /// `query`, `protocol`, `status`, `bytes`, `duration_s`, `duration_ms`,
        /// `duration_us`, `user_agent`, `referer`, `request_id`, `trace_id`, `span_id`;
        /// `{name}i`, `{name}o` and `{name}e` as in `access_log_format`.
        /// `trace={x-trace-id}i` calls the field `trace`. What is not known is `null`.
        #[flags("--access-log-fields")]
        #[kind(Text("FIELDS"))]
        #[default("time,pid,remote_addr,method,path,query,protocol,status,bytes,duration_ms,\
              user_agent,referer,request_id"
        .to_owned())]
        #[check(check::access_fields)]
        #[tested("logs::json_fields_can_be_chosen")]
        pub access_log_fields: String,

        /// The file of the error log; `-` for standard error.
        #[flags("--error-logfile", "--log-file")]
        #[kind(Text("FILE"))]
        #[default("-".into())]
        #[tested("arbiter::the_error_log_goes_where_it_is_told_to")]
        pub errorlog: OsString,

        /// How much the error log tells: `debug`, `info`, `warning`, `error` or
        /// `critical`.
        #[flags("--log-level")]
        #[kind(Text("LEVEL"))]
        #[choices(&["debug", "info", "warning", "error", "critical"])]
        #[default("info".to_owned())]
        #[tested("arbiter::the_error_log_goes_where_it_is_told_to")]
        pub loglevel: String,

        /// Write the error log as one JSON object a line.
        #[flags("--log-json")]
        #[kind(Switch)]
        #[tested("logs::json_lines_have_typed_fields")]
        pub log_json: bool,

        /// Write what the app prints to the file of the error log.
        #[flags("--capture-output")]
        #[kind(Switch)]
        #[tested("logs::what_the_app_prints_is_captured")]
        pub capture_output: bool,

        /// The class of the logger that hooks and the app see.
        ///
        /// A class of the config file's may derive from `gunicorn.glogging.Logger`; see
        /// [The config file](../guide/config-file.md).
        #[flags("--logger-class")]
        #[kind(Text("STRING"))]
        #[default("gunicorn.glogging.Logger".to_owned())]
        #[check(check::class)]
        #[tested("settings::a_config_file_has_its_own_logger_and_log")]
        pub logger_class: String,

        /// A file in the form of Python's `logging.config.fileConfig`.
        #[flags("--log-config")]
        #[kind(Text("FILE"))]
        #[check(check::file)]
        #[tested("log_config::a_file_in_pythons_form_configures_both_logs")]
        pub logconfig: Option<PathBuf>,

        /// Python's `logging.config.dictConfig`, laid over Gunicorn's own.
        ///
        /// It wins over `logconfig_json`, and that over `logconfig`.
        #[kind(Text("DICT"))]
        #[tested("log_config::a_dict_with_objects_configures_the_masters_lines_too")]
        pub logconfig_dict: PythonDict,

        /// A JSON file with what `logconfig_dict` has.
        #[flags("--log-config-json")]
        #[kind(Text("FILE"))]
        #[check(check::file)]
        #[tested("log_config::a_json_file_configures_both_logs")]
        pub logconfig_json: Option<PathBuf>,

        /// The address of syslog: `unix://PATH`, `udp://HOST:PORT` or
        /// `tcp://HOST:PORT`.
        ///
        /// A unix path may end in `#dgram` or `#stream`.
        #[flags("--log-syslog-to")]
        #[kind(Text("ADDRESS"))]
        #[default(default_syslog_address())]
        #[check(syslog_address)]
        #[tested("logs_elsewhere::syslog_gets_both_logs_by_udp")]
        pub syslog_addr: SyslogAddress,

        /// Write the logs to syslog, too.
        #[flags("--log-syslog")]
        #[kind(Switch)]
        #[tested("logs_elsewhere::syslog_gets_both_logs_by_udp")]
        pub syslog: bool,

        /// The program's name in syslog, between `gunicorn.` and the log's name.
        #[flags("--log-syslog-prefix")]
        #[kind(Text("STRING"))]
        #[check(check::optional_line)]
        #[tested("logs_elsewhere::the_access_log_can_be_kept_out_of_syslog")]
        pub syslog_prefix: Option<String>,

        /// The facility in syslog, such as `user`, `daemon` or `local0`.
        #[flags("--log-syslog-facility")]
        #[kind(Text("WORD"))]
        #[choices(SyslogFacility::NAMES)]
        #[default(SyslogFacility::USER)]
        #[tested("logs_elsewhere::the_access_log_can_be_kept_out_of_syslog")]
        pub syslog_facility: SyslogFacility,

        /// Keep standard output and error when in the background.
        #[flags("-R", "--enable-stdio-inheritance")]
        #[kind(Switch)]
        #[tested("settings::in_the_background_the_output_can_be_kept")]
        pub enable_stdio_inheritance: bool,

        /// The address of statsd: `HOST:PORT` or `unix://PATH`; the port is 8125.
        #[flags("--statsd-host")]
        #[kind(Text("ADDRESS"))]
        #[check(statsd_address)]
        #[tested("logs_elsewhere::statsd_gets_gunicorns_metrics")]
        pub statsd_host: Option<StatsdAddress>,

        /// Tags for every metric, as DogStatsD has them: `a:b,c`.
        #[flags("--dogstatsd-tags")]
        #[kind(Text("TAGS"))]
        #[check(check::line)]
        #[tested("logs_elsewhere::statsd_gets_gunicorns_metrics")]
        pub dogstatsd_tags: String,

        /// What the names of the metrics begin with.
        #[flags("--statsd-prefix")]
        #[kind(Text("PREFIX"))]
        #[check(check::line)]
        #[tested("logs_elsewhere::statsd_gets_gunicorns_metrics")]
        pub statsd_prefix: String,

        /// Send how many connections wait to be accepted to statsd.
        #[flags("--enable-backlog-metric")]
        #[kind(Switch)]
        #[tested("logs_elsewhere::statsd_is_told_of_workers_and_the_backlog")]
        pub enable_backlog_metric: bool,
    }
);

section!(
    /// What the processes are called.
    #[section("Process Naming")]
    pub struct Naming {
        /// The name that `ps` shows; the app's by default.
        #[flags("-n", "--name")]
        #[kind(Text("STRING"))]
        #[check(check::optional_line)]
        #[tested("titles::ps_shows_who_is_who")]
        pub proc_name: Option<String>,

        /// The name when `proc_name` gives none.
        #[kind(Text("STRING"))]
        #[default("gunicorn".to_owned())]
        #[check(check::line)]
        #[tested("settings::a_config_file_has_its_own_logger_and_log")]
        pub default_proc_name: String,
    }
);
