//! How many workers there are, of which kind, and how long they may take.

macro_rules! workers {
    ([$($before:tt)*] $next:ident $($rest:ident)*) => {
        $next! { [
            $($before)*

            section "Worker Processes";
            /// The number of worker processes.
            ///
            /// Two to four for each processor core is a good start.
            workers: u32 {
                flags: &["-w", "--workers"],
                kind: Kind::Number("INT"),
                default: 1,
                variable: ("WEB_CONCURRENCY", Value::from),
                check: check::number,
            }

            /// The kind of worker: `sync`, `gthread`, `asgi`, `gevent`, `tornado` or `aiohttp`.
            ///
            /// Gunicorn's dotted names, those of uvicorn's and aiohttp's workers and that of
            /// gevent-websocket are understood, and classes that derive from one of them.
            /// `sync` with more than one thread means `gthread`.
            worker_class: WorkerClass {
                flags: &["-k", "--worker-class"],
                kind: Kind::Text("STRING"),
                default: WorkerClass::Sync,
                check: WorkerClass::check,
            }

            /// The number of threads in each worker that run the app.
            ///
            /// More than one makes a `sync` worker a `gthread` one.
            threads: u32 {
                flags: &["--threads"],
                kind: Kind::Number("INT"),
                default: 1,
                check: check::number,
            }

            /// The most clients that a worker has at the same time.
            worker_connections: u32 {
                flags: &["--worker-connections"],
                kind: Kind::Number("INT"),
                default: 1000,
                check: check::number,
            }

            /// The most requests that a worker takes at the same time, with those that wait
            /// for the app; more are answered 503 at once. 0 for no limit.
            limit_concurrency: u32 {
                flags: &["--limit-concurrency"],
                kind: Kind::Number("INT"),
                default: 0,
                check: check::number,
            }

            /// After how many requests a worker is replaced; 0 for never.
            ///
            /// The new worker is ready before the old one stops.
            max_requests: u32 {
                flags: &["--max-requests"],
                kind: Kind::Number("INT"),
                default: 0,
                check: check::number,
            }

            /// The most that is added to `max_requests` by chance.
            ///
            /// Each worker draws its own number, so that they are not all replaced at once.
            max_requests_jitter: u32 {
                flags: &["--max-requests-jitter"],
                kind: Kind::Number("INT"),
                default: 0,
                check: check::number,
            }

            /// Seconds that a worker may be silent before it is killed and replaced;
            /// 0 for no limit.
            ///
            /// In a `sync` worker this bounds the time of one request; see
            /// `request_timeout` for a bound in all workers.
            timeout: u32 {
                flags: &["-t", "--timeout"],
                kind: Kind::Number("INT"),
                default: 30,
                check: check::number,
            }

            /// Seconds that workers get to finish their requests at a graceful stop,
            /// before they are killed.
            graceful_timeout: u32 {
                flags: &["--graceful-timeout"],
                kind: Kind::Number("INT"),
                default: 30,
                check: check::number,
            }

            /// Seconds that an idle connection is kept for the client's next request.
            ///
            /// 0 closes each connection after one answer.
            keepalive: u32 {
                flags: &["--keep-alive"],
                kind: Kind::Number("INT"),
                default: 2,
                check: check::number,
            }

            /// The same at a graceful stop: how long an idle connection is still kept for a
            /// request that may be on its way, at most `keepalive`.
            ///
            /// That request is answered, and its connection closed. A worker that is
            /// replaced gives idle connections to its successors and closes none; those
            /// over TLS, and those with a PROXY header, are kept for this long.
            keepalive_grace: u32 {
                flags: &["--keep-alive-grace"],
                kind: Kind::Number("INT"),
                default: 2,
                check: check::number,
            }

            /// The event loop of `asgi` workers: `auto`, `asyncio` or `uvloop`.
            ///
            /// `auto` takes uvloop if the app carries it.
            asgi_loop: AsgiLoop {
                flags: &["--asgi-loop"],
                kind: Kind::Text("WORD"),
                default: AsgiLoop::Auto,
                check: AsgiLoop::check,
            }

            /// Whether an ASGI app is told of the start and the end: `auto`, `on` or `off`.
            ///
            /// With `on`, an app that does not know the lifespan protocol is an error.
            asgi_lifespan: AsgiLifespan {
                flags: &["--asgi-lifespan"],
                kind: Kind::Text("WORD"),
                default: AsgiLifespan::Auto,
                check: AsgiLifespan::check,
            }

            /// Seconds that an ASGI app may go on after its client has gone.
            ///
            /// 0 cancels its task at once.
            asgi_disconnect_grace_period: u32 {
                flags: &["--asgi-disconnect-grace-period"],
                kind: Kind::Number("INT"),
                default: 3,
                check: check::number,
            }

            /// The longest WebSocket message that is accepted, in bytes; 0 for no limit.
            websocket_max_message_size: u32 {
                flags: &["--websocket-max-message-size"],
                kind: Kind::Number("INT"),
                default: 16 * 1024 * 1024,
                check: check::number,
            }

            /// Seconds after which the client of a WebSocket is asked whether it is there;
            /// 0 for never.
            ///
            /// One that has not said a word when it would be asked again is given up.
            websocket_ping_interval: u32 {
                flags: &["--websocket-ping-interval"],
                kind: Kind::Number("INT"),
                default: 20,
                check: check::number,
            }

            /// The parser of requests: `auto`, `fast` or `python`.
            http_parser: HttpParser {
                flags: &["--http-parser"],
                kind: Kind::Text("WORD"),
                default: HttpParser::Auto,
                support: Support::Ignored(
                    "There is one parser of requests, and it is fast."
                ),
                check: HttpParser::check,
            }

            section "Limits of Workers";
            /// Seconds that the app may take for one request, in every worker class;
            /// 0 for no limit.
            ///
            /// The client gets 504 when nothing was sent yet, the error log the stack of
            /// every thread, and the worker is replaced.
            request_timeout: u32 {
                flags: &["--request-timeout"],
                kind: Kind::Number("INT"),
                default: 0,
                check: check::number,
            }

            /// Seconds that a worker may take to load the app; 0 for no limit.
            boot_timeout: u32 {
                flags: &["--boot-timeout"],
                kind: Kind::Number("INT"),
                default: 0,
                check: check::number,
            }

            /// MiB of memory of its own above which a worker is replaced after the request;
            /// 0 for no limit.
            max_worker_memory: u32 {
                flags: &["--max-worker-memory"],
                kind: Kind::Number("MIB"),
                default: 0,
                check: check::number,
            }

            /// MiB of memory of its own above which a worker is killed at once; 0 for no limit.
            max_worker_memory_hard: u32 {
                flags: &["--max-worker-memory-hard"],
                kind: Kind::Number("MIB"),
                default: 0,
                check: check::number,
            }
        ] $($rest)* }
    };
}

pub(super) use workers;
