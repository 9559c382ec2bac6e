//! How requests are found again in what other programs record of them.

use crate::config::choices::Choice;
use crate::config::section::section;
use crate::config::setting::Kind::{OptionalText, Switch};
use crate::http::TraceMode;

section!(
    /// How requests are found again in what other programs record of them.
    #[section("Tracing")]
    pub struct Tracing {
        /// What becomes of the fields `traceparent` and `tracestate` (W3C Trace Context):
        /// `off`, `accept` or `make`.
        ///
        /// `off` does not touch them. `accept` removes them, unless they are valid and the
        /// client is in `forwarded_allow_ips`. `make` does the same; if the request has no
        /// `traceparent` after that, it adds a new one, marked as sampled. The app sees the
        /// fields. The access log has the ids as `trace_id` and `span_id`, and the error log
        /// has the trace in brackets after the request. `--trace-context` without a value
        /// means `make`.
        #[flags("--trace-context")]
        #[kind(OptionalText("WORD", "make"))]
        #[choices(TraceMode::NAMES)]
        #[default(TraceMode::Off)]
        #[tested("tracing::the_app_and_both_logs_have_the_trace")]
        pub trace_context: TraceMode,

        /// Answers have the field `traceparent`, too, if the request has a trace by
        /// `trace_context`.
        #[flags("--trace-in-response")]
        #[kind(Switch)]
        #[tested("tracing::clients_are_told_of_the_trace_if_asked_for")]
        pub trace_in_response: bool,

        /// Tell the app by the field `X-Request-Start` when its request arrived.
        ///
        /// Monitoring agents measure by it how long requests wait for the app. The value
        /// has the form of nginx's `t=${msec}`: seconds since 1970 and milliseconds. A
        /// value of a client in `forwarded_allow_ips` is kept.
        #[flags("--request-start-header")]
        #[kind(Switch)]
        #[tested("tracing::agents_are_told_when_the_request_arrived")]
        pub request_start_header: bool,
    }
);
