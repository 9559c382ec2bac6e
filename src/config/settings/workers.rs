//! How many workers there are, of which kind, and how long they may take.

use crate::config::choices::word;
use crate::config::section::section;
use crate::config::setting::Kind::{Number, Text};
use crate::config::setting::Support::Ignored;
use crate::config::value::Value;
use crate::config::worker_class::WorkerClass;

const LOOPS: &[&str] = &["auto", "asyncio", "uvloop"];
const LIFESPANS: &[&str] = &["auto", "on", "off"];
const PARSERS: &[&str] = &["auto", "fast", "python"];

section!(
    /// How many workers there are, of which kind, and how long they may take.
    #[section("Worker Processes")]
    pub struct Workers {
        /// The number of worker processes.
        ///
        /// Two to four for each processor core is a good start.
        #[flags("-w", "--workers")]
        #[kind(Number("INT"))]
        #[default(1)]
        #[variable("WEB_CONCURRENCY", Value::from)]
        #[tested("arbiter::both_workers_serve")]
        pub workers: u32,

        /// The kind of worker: `sync`, `gthread`, `asgi`, `gevent`, `tornado` or `aiohttp`.
        ///
        /// Gunicorn's dotted names, those of uvicorn's and aiohttp's workers and that of
        /// gevent-websocket are understood, and classes that derive from one of them.
        /// `sync` with more than one thread means `gthread`.
        #[flags("-k", "--worker-class")]
        #[kind(Text("STRING"))]
        #[choices(WorkerClass::SHORT_NAMES)]
        #[default(WorkerClass::Sync)]
        #[tested("gevent::requests_that_wait_do_so_together")]
        pub worker_class: WorkerClass,

        /// The number of threads in each worker that run the app.
        ///
        /// More than one makes a `sync` worker a `gthread` one.
        #[flags("--threads")]
        #[kind(Number("INT"))]
        #[default(1)]
        #[tested("gthread::a_slow_page_does_not_hold_the_others")]
        pub threads: u32,

        /// The most clients that a worker has at the same time.
        #[flags("--worker-connections")]
        #[kind(Number("INT"))]
        #[default(1000)]
        #[tested("settings::a_worker_has_so_many_clients_at_a_time")]
        pub worker_connections: u32,

        /// The most requests that a worker takes at the same time, with those that wait
        /// for the app; more are answered 503 at once. 0 for no limit.
        #[flags("--limit-concurrency")]
        #[kind(Number("INT"))]
        #[default(0)]
        #[tested("overload::more_requests_than_a_worker_takes_are_told_so")]
        pub limit_concurrency: u32,

        /// After how many requests a worker is replaced; 0 for never.
        ///
        /// The new worker is ready before the old one stops.
        #[flags("--max-requests")]
        #[kind(Number("INT"))]
        #[default(0)]
        #[tested("max_requests::a_worker_is_replaced_after_its_requests_and_no_request_is_lost")]
        pub max_requests: u32,

        /// The most that is added to `max_requests` by chance.
        ///
        /// Each worker draws its own number, so that they are not all replaced at once.
        #[flags("--max-requests-jitter")]
        #[kind(Number("INT"))]
        #[default(0)]
        #[tested("settings::a_worker_may_serve_more_than_its_requests_by_chance")]
        pub max_requests_jitter: u32,

        /// Seconds that a worker may be silent before it is killed and replaced;
        /// 0 for no limit.
        ///
        /// In a `sync` worker this bounds the time of one request; see
        /// `request_timeout` for a bound in all workers.
        #[flags("-t", "--timeout")]
        #[kind(Number("INT"))]
        #[default(30)]
        #[tested("arbiter::a_stuck_worker_is_killed_and_another_serves")]
        pub timeout: u32,

        /// Seconds that workers get to finish their requests at a graceful stop,
        /// before they are killed.
        #[flags("--graceful-timeout")]
        #[kind(Number("INT"))]
        #[default(30)]
        #[tested("signals::a_graceful_stop_has_its_end")]
        pub graceful_timeout: u32,

        /// Seconds that an idle connection is kept for the client's next request.
        ///
        /// 0 closes each connection after one answer.
        #[flags("--keep-alive")]
        #[kind(Number("INT"))]
        #[default(2)]
        #[tested("keep_alive::an_idle_connection_is_closed_in_time_and_not_before")]
        pub keepalive: u32,

        /// The same at a graceful stop: how long an idle connection is still kept for a
        /// request that may be on its way, at most `keepalive`.
        ///
        /// That request is answered, and its connection closed. A worker that is
        /// replaced gives idle connections to its successors and closes none; those
        /// over TLS, and those with a PROXY header, are kept for this long.
        #[flags("--keep-alive-grace")]
        #[kind(Number("INT"))]
        #[default(2)]
        #[tested("retirement::at_a_stop_the_next_request_is_answered_and_the_last")]
        pub keepalive_grace: u32,

        /// The event loop of `asgi` workers: `auto`, `asyncio` or `uvloop`.
        ///
        /// `auto` takes uvloop if the app carries it.
        #[flags("--asgi-loop")]
        #[kind(Text("WORD"))]
        #[choices(LOOPS)]
        #[default("auto".to_owned())]
        #[check(|value| word(value, LOOPS))]
        #[tested("asgi::the_loop_is_asyncios_where_there_is_no_other")]
        pub asgi_loop: String,

        /// Whether an ASGI app is told of the start and the end: `auto`, `on` or `off`.
        ///
        /// With `on`, an app that does not know the lifespan protocol is an error.
        #[flags("--asgi-lifespan")]
        #[kind(Text("WORD"))]
        #[choices(LIFESPANS)]
        #[default("auto".to_owned())]
        #[check(|value| word(value, LIFESPANS))]
        #[tested("lifespan::lifespan_can_be_turned_off")]
        pub asgi_lifespan: String,

        /// Seconds that an ASGI app may go on after its client has gone.
        ///
        /// 0 cancels its task at once.
        #[flags("--asgi-disconnect-grace-period")]
        #[kind(Number("INT"))]
        #[default(3)]
        #[tested("asgi::a_client_that_leaves_is_told_of")]
        pub asgi_disconnect_grace_period: u32,

        /// The longest WebSocket message that is accepted, in bytes; 0 for no limit.
        #[flags("--websocket-max-message-size")]
        #[kind(Number("INT"))]
        #[default(16 * 1024 * 1024)]
        #[tested("websocket::messages_have_a_limit")]
        pub websocket_max_message_size: u32,

        /// Seconds after which the client of a WebSocket is asked whether it is there;
        /// 0 for never.
        ///
        /// One that has not said a word when it would be asked again is given up.
        #[flags("--websocket-ping-interval")]
        #[kind(Number("INT"))]
        #[default(20)]
        #[tested("websocket::the_server_asks_whether_the_client_is_there")]
        pub websocket_ping_interval: u32,

        /// The parser of requests: `auto`, `fast` or `python`.
        #[flags("--http-parser")]
        #[kind(Text("WORD"))]
        #[choices(PARSERS)]
        #[default("auto".to_owned())]
        #[support(Ignored("There is one parser of requests, and it is fast."))]
        #[check(|value| word(value, PARSERS))]
        pub http_parser: String,
    }
);

section!(
    /// What a worker may take before it is replaced.
    #[section("Limits of Workers")]
    pub struct Limits {
        /// Seconds that the app may take for one request, in every worker class;
        /// 0 for no limit.
        ///
        /// The client gets 504 when nothing was sent yet, the error log the stack of
        /// every thread, and the worker is replaced.
        #[flags("--request-timeout")]
        #[kind(Number("INT"))]
        #[default(0)]
        #[tested("deadlines::a_request_above_its_time_gets_504_and_another_worker")]
        pub request_timeout: u32,

        /// Seconds that a worker may take to load the app; 0 for no limit.
        #[flags("--boot-timeout")]
        #[kind(Number("INT"))]
        #[default(0)]
        #[tested("reload::a_boot_that_takes_too_long_is_ended")]
        pub boot_timeout: u32,

        /// MiB of memory of its own above which a worker is replaced after the request;
        /// 0 for no limit.
        #[flags("--max-worker-memory")]
        #[kind(Number("MIB"))]
        #[default(0)]
        #[tested("memory::a_worker_above_the_soft_limit_is_replaced_after_the_request")]
        pub max_worker_memory: u32,

        /// MiB of memory of its own above which a worker is killed at once; 0 for no limit.
        #[flags("--max-worker-memory-hard")]
        #[kind(Number("MIB"))]
        #[default(0)]
        #[tested("memory::a_worker_above_the_hard_limit_is_killed_at_once")]
        pub max_worker_memory_hard: u32,
    }
);
