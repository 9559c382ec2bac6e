//! What a test expects of the server.

use std::time::Instant;

use super::Http2;
use crate::support::DEADLINE;

impl Http2 {
    /// The connection still serves requests.
    #[track_caller]
    pub fn expect_service(&mut self) {
        let stream = self.get("/");
        self.response(stream).ok();
    }

    /// The server sends GOAWAY with one of these error codes. Returns the last stream.
    #[track_caller]
    pub fn expect_goaway(&mut self, codes: &[u32]) -> u32 {
        self.wait_until(&format!("GOAWAY with {codes:?}"), |client| {
            client.goaway.is_some()
        });
        let (last_stream, code) = self.goaway.unwrap();
        assert!(
            codes.contains(&code),
            "GOAWAY with {code}, not {codes:?}: {:?}",
            self.seen
        );
        last_stream
    }

    /// The server closes the connection.
    #[track_caller]
    pub fn expect_closed(&mut self) {
        let deadline = Instant::now() + DEADLINE;
        while !self.is_closed {
            self.receive("the end of the connection", deadline);
        }
    }

    /// The server ends the connection with GOAWAY and one of these codes (section 5.4.1).
    #[track_caller]
    pub fn expect_connection_error(&mut self, codes: &[u32]) {
        self.expect_goaway(codes);
        self.expect_closed();
    }

    /// The server resets the stream with one of these codes.
    #[track_caller]
    pub fn expect_reset(&mut self, stream: u32, codes: &[u32]) {
        self.wait_until(
            &format!("a reset of stream {stream} with {codes:?}"),
            |client| {
                let answer = client.so_far(stream);
                assert!(
                    !answer.has_ended || answer.reset.is_some(),
                    "stream {stream} was answered: {answer:?}"
                );
                assert!(client.goaway.is_none(), "{:?}", client.seen);
                answer.reset.is_some()
            },
        );
        let code = self.so_far(stream).reset.unwrap();
        assert!(codes.contains(&code), "a reset with {code}, not {codes:?}");
    }

    /// The server resets the stream or ends the connection, with one of these codes: any
    /// error of a stream may be treated as one of the connection (section 5.4.1).
    #[track_caller]
    pub fn expect_stream_error(&mut self, stream: u32, codes: &[u32]) {
        let had_ended = self.so_far(stream).has_ended;
        self.wait_until(&format!("an error of stream {stream}"), |client| {
            let answer = client.so_far(stream);
            assert!(
                answer.has_ended == had_ended || answer.reset.is_some(),
                "stream {stream} was answered: {answer:?}"
            );
            client.goaway.is_some() || answer.reset.is_some()
        });
        match self.goaway {
            Some(_) => self.expect_connection_error(codes),
            None => {
                let code = self.so_far(stream).reset.unwrap();
                assert!(codes.contains(&code), "a reset with {code}, not {codes:?}");
            }
        }
    }

    /// The server refuses the request: with an error page that says so (status 4xx or 501),
    /// by resetting the stream with one of these codes, or by ending the connection.
    #[track_caller]
    pub fn expect_refused(&mut self, stream: u32, codes: &[u32]) {
        self.wait_until(&format!("a refusal of stream {stream}"), |client| {
            let answer = client.so_far(stream);
            answer.has_ended || answer.reset.is_some() || client.goaway.is_some()
        });
        if self.goaway.is_some() {
            return self.expect_connection_error(codes);
        }
        let answer = self.so_far(stream);
        match answer.reset {
            Some(code) if !answer.has_ended => {
                assert!(codes.contains(&code), "a reset with {code}, not {codes:?}");
            }
            _ => assert!(matches!(answer.status, 400..=499 | 501), "{answer:?}"),
        }
    }

    /// The last stream that the server takes, once it has said so.
    pub fn last_stream(&self) -> u32 {
        self.goaway.map_or(u32::MAX, |(last, _)| last)
    }

    /// Whether the server has said that it ends the connection, or has done so.
    pub fn is_over(&self) -> bool {
        self.goaway.is_some() || self.is_closed
    }
}
