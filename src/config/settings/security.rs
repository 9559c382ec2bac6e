//! What a client may send, how much, and how slowly.

use crate::config::section::section;
use crate::config::setting::Kind::Number;

section!(
    /// What a client may send, how much, and how slowly.
    #[section("Security")]
    pub struct Security {
        /// The longest request line that is accepted, in bytes.
        ///
        /// 0 for no limit; more than 8190 counts as 8190.
        #[flags("--limit-request-line")]
        #[kind(Number("INT"))]
        #[default(4094)]
        #[tested("requests::bad_requests_are_refused")]
        pub limit_request_line: u32,

        /// The most header fields that a request may have.
        ///
        /// 0 or more than 32768 counts as 32768.
        #[flags("--limit-request-fields")]
        #[kind(Number("INT"))]
        #[default(100)]
        #[tested("requests::bad_requests_are_refused")]
        pub limit_request_fields: u32,

        /// The longest header field that is accepted, in bytes.
        ///
        /// 0 counts as 8190.
        #[flags("--limit-request-field_size")]
        #[kind(Number("INT"))]
        #[default(8190)]
        #[tested("settings::what_old_clients_send_is_taken_when_asked_for")]
        pub limit_request_field_size: u32,

        /// The longest body that is accepted, in bytes; 0 for no limit.
        ///
        /// A longer one is answered 413.
        #[flags("--limit-request-body")]
        #[kind(Number("INT"))]
        #[default(0)]
        #[tested("slow_clients::bodies_have_a_limit")]
        pub limit_request_body: u64,

        /// Seconds that a client may take to send a request's head; 0 for no limit.
        ///
        /// After that it is answered 408.
        #[flags("--header-timeout")]
        #[kind(Number("INT"))]
        #[default(30)]
        #[tested("slow_clients::slow_requests_are_told_so")]
        pub header_timeout: u32,

        /// Bytes per second that a client must send of a body; 0 for no limit.
        ///
        /// A slower one is answered 408.
        #[flags("--body-min-rate")]
        #[kind(Number("INT"))]
        #[default(240)]
        #[tested("settings::a_body_has_its_slowest_rate")]
        pub body_min_rate: u32,

        /// Seconds that a client may take none of an answer's bytes; 0 for no limit.
        ///
        /// After that its connection is cut.
        #[flags("--send-timeout")]
        #[kind(Number("INT"))]
        #[default(60)]
        #[tested("settings::who_takes_nothing_of_an_answer_is_cut_off")]
        pub send_timeout: u32,

        /// The most connections that a worker holds for one client address;
        /// 0 for no limit.
        #[flags("--max-connections-per-client")]
        #[kind(Number("INT"))]
        #[default(0)]
        #[tested("slow_clients::a_client_may_have_only_so_many_connections")]
        pub max_connections_per_client: u32,

        /// Bytes of a body that are kept in memory before the app is called.
        ///
        /// 0 calls the app as soon as the head is there.
        #[flags("--body-buffer-size")]
        #[kind(Number("INT"))]
        #[default(128 * 1024)]
        #[tested("gevent::clients_that_are_slow_hold_nobody_up")]
        pub body_buffer_size: u32,

        /// Bytes of a body that are kept in a file before the app is called.
        ///
        /// The app reads what is longer as it comes in. The file has no name; it lies
        /// in `tmp_upload_dir`.
        #[flags("--body-spool-size")]
        #[kind(Number("INT"))]
        #[default(64 * 1024 * 1024)]
        #[tested("settings::long_bodies_wait_in_a_file_without_a_name")]
        pub body_spool_size: u64,

        /// Bytes of an answer that are kept in a file for a client that is slower
        /// than the app, so that the app is done and the next request has its turn.
        ///
        /// 256 KiB are kept in memory before that. When the file is full, the app waits
        /// for its client; so it always does with 0, and where no file can be made. The
        /// file has no name; it lies in `tmp_upload_dir`. In `asgi` workers there is
        /// none: there an app that waits holds up nobody.
        #[flags("--response-buffer-size")]
        #[kind(Number("INT"))]
        #[default(64 * 1024 * 1024)]
        #[tested("slow_readers::with_0_the_app_waits_for_its_client")]
        pub response_buffer_size: u64,
    }
);
