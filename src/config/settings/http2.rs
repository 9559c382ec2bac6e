//! HTTP/2.

use crate::config::check::between;
use crate::config::choices::{Choice, Http2Cleartext, http2_cleartext};
use crate::config::http_protocols::HttpProtocols;
use crate::config::section::section;
use crate::config::setting::Kind::{Number, OptionalText, Text};

section!(
    /// HTTP/2.
    #[section("HTTP/2")]
    pub struct Http2 {
        /// The HTTP versions that clients of TLS may speak, the preferred one first: `h2`
        /// and `h1`.
        ///
        /// The client says in the TLS handshake which of them it knows (ALPN); one that
        /// says nothing speaks HTTP/1.1. With `h2` alone, HTTP/1.1 is refused. Without
        /// TLS, `http2_cleartext` decides.
        #[flags("--http-protocols")]
        #[kind(Text("STRING"))]
        #[tested("http2_settings::clients_of_tls_choose_a_version_in_the_handshake")]
        pub http_protocols: HttpProtocols,

        /// HTTP/2 without TLS: `off`, `prior-knowledge` (the client begins with it),
        /// `upgrade` (it asks for `h2c` in a request of HTTP/1.1), or `both`.
        ///
        /// It is for proxies: only peers of `forwarded_allow_ips` may use it.
        #[flags("--http2-cleartext")]
        #[kind(OptionalText("MODE", "prior-knowledge"))]
        #[choices(Http2Cleartext::NAMES)]
        #[default(Http2Cleartext::Off)]
        #[check(http2_cleartext)]
        #[tested(
            "http2_settings::clear_text_is_for_trusted_clients_and_for_those_ways_that_are_allowed"
        )]
        pub http2_cleartext: Http2Cleartext,

        /// The most requests that a client may have open on an HTTP/2 connection.
        #[flags("--http2-max-concurrent-streams")]
        #[kind(Number("INT"))]
        #[default(100)]
        #[check(between::<1, { i32::MAX as u32 }>)]
        #[tested("http2_settings::a_client_may_have_so_many_requests_open")]
        pub http2_max_concurrent_streams: u32,

        /// The bytes of a request's body that a client may send before the app reads
        /// them: the window of HTTP/2's flow control.
        #[flags("--http2-initial-window-size")]
        #[kind(Number("INT"))]
        #[default(65535)]
        #[tested("http2_settings::a_client_may_send_so_much_before_it_is_read")]
        pub http2_initial_window_size: u32,

        /// The bytes of the longest frame that a client may send in HTTP/2, from 16384
        /// to 16777215.
        #[flags("--http2-max-frame-size")]
        #[kind(Number("INT"))]
        #[default(16384)]
        #[check(between::<16_384, 16_777_215>)]
        #[tested("http2_settings::frames_may_be_so_long")]
        pub http2_max_frame_size: u32,

        /// The bytes of all fields of an HTTP/2 request together, 32 more for each
        /// field; 0 for no limit.
        ///
        /// The limits of HTTP/1.1 (`limit_request_fields` and the others) hold as well.
        #[flags("--http2-max-header-list-size")]
        #[kind(Number("INT"))]
        #[default(65536)]
        #[tested("http2_settings::the_fields_of_a_request_may_have_so_many_bytes")]
        pub http2_max_header_list_size: u32,

        /// The most requests that a client may take back on an HTTP/2 connection in 10
        /// seconds; 0 for no limit.
        ///
        /// Requests that the server had to reset for a mistake of the client count, too.
        /// A client with more of them is attacking the server, and the connection is
        /// closed.
        #[flags("--http2-max-resets")]
        #[kind(Number("INT"))]
        #[default(200)]
        #[tested("http2_settings::so_many_requests_may_be_taken_back")]
        pub http2_max_resets: u32,

        /// The most frames without use that a client may send on an HTTP/2 connection in
        /// 10 seconds; 0 for no limit.
        ///
        /// They are SETTINGS, PRIORITY and PRIORITY_UPDATE, DATA without content, resets of
        /// streams that were reset before, and WINDOW_UPDATE and PING beyond what goes with
        /// the answers. A client with more of them is attacking the server, and the
        /// connection is closed.
        #[flags("--http2-max-control-frames")]
        #[kind(Number("INT"))]
        #[default(1000)]
        #[tested("http2_settings::so_many_frames_without_use_may_come")]
        pub http2_max_control_frames: u32,
    }
);
