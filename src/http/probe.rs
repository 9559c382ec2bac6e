//! The answer to a probe of a balancer or an orchestrator: whether to send more
//! clients.

use super::request::Head;
use super::response::{ResponseHead, ResponseRules};

/// True if this is a GET or HEAD request for `path`, whatever its query.
pub fn is_probe(head: &Head, path: &str) -> bool {
    head.path() == path.as_bytes() && matches!(head.method(), b"GET" | b"HEAD")
}

/// The head and the body of the answer: 200, or 503 if `draining`. HEAD gets no
/// body.
pub fn probe_answer(draining: bool) -> (ResponseHead, &'static [u8]) {
    let (code, body): (_, &[u8]) = match draining {
        false => (200, b"ok\n"),
        true => (503, b"draining\n"),
    };
    let mut head = ResponseHead::with_code(code).expect("these are final statuses");
    head.add_unless_given("Content-Type", "text/plain");
    head.add_unless_given("Cache-Control", "no-store");
    head.set_known_length(body.len() as u64);
    (head, body)
}

/// Writes the whole answer to `out`. `server` and `date` are the values of these
/// fields; without `server` there is no such field. The connection stays open if
/// the rules say so.
pub fn answer_probe(
    rules: ResponseRules,
    draining: bool,
    server: &str,
    date: &str,
    out: &mut Vec<u8>,
) {
    let (head, body) = probe_answer(draining);
    head.begin(rules, server, date, out);
    if !rules.is_head {
        out.extend_from_slice(body);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{HeadParser, Policy};
    use super::*;

    fn head(line: &str) -> Head {
        let mut head = Head::default();
        let request = format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n");
        let parsed =
            HeadParser::default().advance(request.as_bytes(), &Policy::default(), &mut head);
        parsed.unwrap().unwrap();
        head
    }

    #[test]
    fn only_the_path_itself_is_a_probe() {
        for probe in ["GET /up", "HEAD /up", "GET /up?a=b", "GET http://a/up"] {
            assert!(is_probe(&head(probe), "/up"), "{probe}");
        }
        for other in ["POST /up", "GET /up/", "GET /UP", "GET /u%70", "GET /a?/up"] {
            assert!(!is_probe(&head(other), "/up"), "{other}");
        }
    }

    #[test]
    fn the_answer_is_whole() {
        let answer = |line, draining| {
            let rules = ResponseRules::of(&head(line));
            let mut out = Vec::new();
            answer_probe(rules, draining, "", "today", &mut out);
            String::from_utf8(out).unwrap()
        };
        let well = answer("GET /up", false);
        assert!(well.starts_with("HTTP/1.1 200 OK\r\n"), "{well}");
        assert!(well.ends_with("Content-Length: 3\r\n\r\nok\n"), "{well}");
        let draining = answer("GET /up", true);
        assert!(draining.starts_with("HTTP/1.1 503 "), "{draining}");
        assert!(draining.ends_with("\r\n\r\ndraining\n"), "{draining}");
        assert!(answer("HEAD /up", true).ends_with("Content-Length: 9\r\n\r\n"));
    }
}
