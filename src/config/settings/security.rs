//! What a client may send, how much, and how slowly.

macro_rules! security {
    ([$($before:tt)*] $next:ident $($rest:ident)*) => {
        $next! { [
            $($before)*

            section "Security";
            /// The longest request line that is accepted, in bytes.
            ///
            /// 0 for no limit; more than 8190 counts as 8190.
            limit_request_line: u32 {
                flags: &["--limit-request-line"],
                kind: Kind::Number("INT"),
                default: 4094,
                check: check::number,
            }

            /// The most header fields that a request may have.
            ///
            /// 0 or more than 32768 counts as 32768.
            limit_request_fields: u32 {
                flags: &["--limit-request-fields"],
                kind: Kind::Number("INT"),
                default: 100,
                check: check::number,
            }

            /// The longest header field that is accepted, in bytes.
            ///
            /// 0 counts as 8190.
            limit_request_field_size: u32 {
                flags: &["--limit-request-field_size"],
                kind: Kind::Number("INT"),
                default: 8190,
                check: check::number,
            }

            /// The longest body that is accepted, in bytes; 0 for no limit.
            ///
            /// A longer one is answered 413.
            limit_request_body: u64 {
                flags: &["--limit-request-body"],
                kind: Kind::Number("INT"),
                default: 0,
                check: check::large_number,
            }

            /// Seconds that a client may take to send a request's head; 0 for no limit.
            ///
            /// After that it is answered 408.
            header_timeout: u32 {
                flags: &["--header-timeout"],
                kind: Kind::Number("INT"),
                default: 30,
                check: check::number,
            }

            /// Bytes per second that a client must send of a body; 0 for no limit.
            ///
            /// A slower one is answered 408.
            body_min_rate: u32 {
                flags: &["--body-min-rate"],
                kind: Kind::Number("INT"),
                default: 240,
                check: check::number,
            }

            /// Seconds that a client may take none of an answer's bytes; 0 for no limit.
            ///
            /// After that its connection is cut.
            send_timeout: u32 {
                flags: &["--send-timeout"],
                kind: Kind::Number("INT"),
                default: 60,
                check: check::number,
            }

            /// The most connections that a worker holds for one client address;
            /// 0 for no limit.
            max_connections_per_client: u32 {
                flags: &["--max-connections-per-client"],
                kind: Kind::Number("INT"),
                default: 0,
                check: check::number,
            }

            /// Bytes of a body that are kept in memory before the app is called.
            ///
            /// 0 calls the app as soon as the head is there.
            body_buffer_size: u32 {
                flags: &["--body-buffer-size"],
                kind: Kind::Number("INT"),
                default: 128 * 1024,
                check: check::number,
            }

            /// Bytes of a body that are kept in a file before the app is called.
            ///
            /// The app reads what is longer as it comes in. The file has no name; it lies
            /// in `tmp_upload_dir`.
            body_spool_size: u64 {
                flags: &["--body-spool-size"],
                kind: Kind::Number("INT"),
                default: 64 * 1024 * 1024,
                check: check::large_number,
            }

            /// Bytes of an answer that are kept in a file for a client that is slower
            /// than the app, so that the app is done and the next request has its turn.
            ///
            /// 256 KiB are kept in memory before that. When the file is full, the app waits
            /// for its client; so it always does with 0, and where no file can be made. The
            /// file has no name; it lies in `tmp_upload_dir`. In `asgi` workers there is
            /// none: there an app that waits holds up nobody.
            response_buffer_size: u64 {
                flags: &["--response-buffer-size"],
                kind: Kind::Number("INT"),
                default: 64 * 1024 * 1024,
                check: check::large_number,
            }
        ] $($rest)* }
    };
}

pub(super) use security;
