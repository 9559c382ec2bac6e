//! The responses of apps.

use super::*;

#[test]
fn a_list_goes_out_in_one_write_with_its_length() {
    let reply = app("ok(('X-A', 'b'))\nreturn [b'hello ', b'world']").run();
    assert_eq!(
        reply.writes,
        [
            "HTTP/1.1 200 OK\r\nServer: rgunicorn\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nConnection: keep-alive\r\n\
          X-A: b\r\nContent-Length: 11\r\n\r\nhello world"
        ]
    );
    assert!(reply.keep_alive);
    assert_eq!(reply.logged, (200, 11));
    assert_eq!(reply.errors(), "INFO access line");
}

#[test]
fn each_block_of_a_generator_goes_out_at_once() {
    let reply = app("ok()\nyield b''\nyield b'one'\nyield b'two'").run();
    assert_eq!(reply.writes.len(), 3);
    assert!(reply.writes[0].ends_with("Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n"));
    assert_eq!(reply.writes[1..], ["3\r\ntwo\r\n", "0\r\n\r\n"]);
    assert_eq!(reply.logged, (200, 6));
    let empty = app("ok()\nreturn iter(())").run();
    assert!(empty.text().ends_with("\r\n\r\n0\r\n\r\n"));
}

#[test]
fn write_sends_at_once() {
    let reply = app("write = ok()\nwrite(b'one')\nwrite(b'')\nreturn [b'two']").run();
    assert!(reply.writes[0].ends_with("3\r\none\r\n"));
    assert_eq!(reply.writes[1..], ["3\r\ntwo\r\n0\r\n\r\n"]);
    let empty = app("ok()(b'')\nreturn []").run();
    assert_eq!(
        empty.writes.len(),
        2,
        "the head goes out with write, empty or not"
    );
    let text = app("ok()('text')\nreturn []").run();
    assert_eq!(text.status(), 500);
    assert!(
        text.errors()
            .contains("TypeError: the response body must be made of bytes, not str")
    );
}

#[test]
fn the_client_is_told_of_its_id() {
    let mut call = app("ok()\nreturn []");
    call.id = Some("abc");
    assert!(call.run().text().contains("\r\nX-Request-ID: abc\r\n"));
    let mut call = app("raise ValueError");
    call.id = Some("abc");
    let reply = call.run();
    assert!(reply.text().contains("\r\nX-Request-ID: abc\r\n"));
    assert!(reply.errors().contains(" /a%20b/c?d=e [abc]\nTraceback"));
    let mut call = app("ok(('x-request-id', 'own'))\nreturn []");
    call.id = Some("abc");
    let text = call.run().text();
    assert!(text.contains("x-request-id: own") && !text.contains("abc"));
}

#[test]
fn a_body_that_is_dropped_is_told_of_once() {
    let reply = app("start_response('204 x', [])\nyield b'one'\nyield b'two'").run();
    assert!(reply.text().ends_with("\r\n\r\n"));
    assert_eq!(
        reply.errors(),
        "WARN Dropped the body of the answer to GET /a%20b/c?d=e: with status 204 it can have none\n\
         INFO access line"
    );
    let head = app("ok()\nreturn [b'one']").request("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(
        head.run()
            .errors()
            .starts_with("DEBUG Dropped the body of the answer to HEAD /:")
    );
    let empty = app("start_response('304 x', [])\nreturn [b'']").run();
    assert_eq!(empty.errors(), "INFO access line");
}

#[test]
fn early_hints_go_out_before_the_answer() {
    let hints = "hints = environ['wsgi.early_hints']\n\
        hints([('Link', '</a.css>; rel=preload'), ('X-B', 'c')])\n\
        hints(iter([['Link', '</d.js>']]))\n";
    let late = "write = ok()\nwrite(b'x')\nhints([('Link', '</late>')])\nreturn []";
    let reply = app(&format!("{hints}{late}")).run();
    assert_eq!(
        reply.writes[..2],
        [
            "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nX-B: c\r\n\r\n",
            "HTTP/1.1 103 Early Hints\r\nLink: </d.js>\r\n\r\n"
        ]
    );
    assert!(reply.writes[2].starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(!reply.text().contains("late"));
    assert!(reply.keep_alive);
    assert_eq!(reply.logged, (200, 1));

    let old = app(&format!("{hints}ok()\nreturn []"));
    let old = old.request("GET / HTTP/1.0\r\n\r\n").run();
    assert!(old.text().starts_with("HTTP/1.0 200 OK\r\n"));

    let failed = app(&format!("{hints}raise RuntimeError")).run();
    assert!(failed.writes[2].starts_with("HTTP/1.1 500 "));

    for (headers, error) in [
        ("[('A', 'b\\r\\nC: d')]", "Invalid value of header \"A\""),
        ("[('A b', 'c')]", "Invalid header name"),
        ("[('A', 1)]", "must be a str, not int"),
        ("['A']", "must be a tuple of name and value"),
    ] {
        let reply = app(&format!("environ['wsgi.early_hints']({headers})")).run();
        assert_eq!((reply.status(), reply.writes.len()), (500, 1), "{headers}");
        assert!(reply.errors[0].contains(error), "{}", reply.errors());
    }
}

#[test]
fn exceptions_before_the_head_become_500() {
    for body in [
        "raise RuntimeError('broken')",
        "ok()\nraise RuntimeError('broken')",
        "ok()\nraise RuntimeError('broken')\nyield",
        "ok()\nyield b''\nraise RuntimeError('broken')",
        "raise SystemExit('broken')",
    ] {
        let reply = app(body).run();
        assert_eq!((reply.status(), reply.keep_alive), (500, false), "{body}");
        assert_eq!(reply.logged.0, 500);
        assert_eq!(reply.logged.1, reply.body().len() as u64);
        let log = &reply.errors[0];
        assert!(
            log.starts_with("ERROR Error handling request GET /a%20b/c?d=e\nTraceback "),
            "{body:?}: {log}"
        );
        assert!(log.ends_with("broken"), "{log}");
    }
}

#[test]
fn exceptions_after_the_head_cut_the_response() {
    let reply = app("ok()\nyield b'part'\nraise RuntimeError('broken')").run();
    assert_eq!(reply.status(), 200);
    assert!(reply.text().ends_with("4\r\npart\r\n"));
    assert!(!reply.keep_alive);
    assert_eq!(reply.logged, (200, 4));
    assert!(reply.errors[0].contains("RuntimeError: broken"));
}

#[test]
fn what_is_not_wsgi() {
    for (body, message) in [
        ("return [b'x']", "before it called start_response"),
        ("return []", "before it called start_response"),
        ("ok()\nreturn ['text']", "must be made of bytes, not str"),
        ("ok()\nyield 'text'", "must be made of bytes, not str"),
        ("ok()\nreturn None", "NoneType"),
        ("ok()\nok()\nreturn []", "a second time without exc_info"),
        (
            "start_response(200, [])\nreturn []",
            "the response status must be a str, not int",
        ),
        (
            "start_response('OK', [])\nreturn []",
            "Invalid response status",
        ),
        ("ok(('A',))\nreturn []", "must be a tuple of name and value"),
        (
            "ok(('A', 1))\nreturn []",
            "value of a response header must be a str, not int",
        ),
        ("ok(('A\\n', 'b'))\nreturn []", "Invalid header name"),
        (
            "ok(('A', 'b\\r\\nC: d'))\nreturn []",
            "Invalid value of header \"A\"",
        ),
        ("ok(('A', '\\u20ac'))\nreturn []", "beyond latin-1"),
        (
            "ok(('Content-Length', 'x'))\nreturn []",
            "Invalid value of header",
        ),
    ] {
        let reply = app(body).run();
        assert_eq!(reply.status(), 500, "{body}");
        assert!(
            reply.errors[0].contains(message),
            "{body}: {}",
            reply.errors()
        );
    }
}

#[test]
fn exc_info_replaces_the_head_until_it_is_sent() {
    let code = "import sys\n\
        try: raise KeyError('x')\n\
        except KeyError: start_response('503 Later', [('X-B', 'c')], sys.exc_info())\n";
    let reply = app(&format!("ok(('X-A', 'b'))\n{code}return [b'late']")).run();
    assert_eq!(reply.status(), 503);
    assert!(!reply.text().contains("X-A") && reply.text().contains("X-B: c"));
    assert!(reply.errors().starts_with("INFO access"));

    let reply = app(&format!("ok()\nyield b'part'\n{code}yield b'more'")).run();
    assert_eq!(reply.status(), 200);
    assert!(reply.text().ends_with("4\r\npart\r\n"));
    assert!(reply.errors[0].ends_with("KeyError: 'x'"));
}

#[test]
fn close_comes_last_and_always() {
    let code = "
import sys
class Body:
    def __init__(self, environ, fail):
        self.errors, self.fail = environ['wsgi.errors'], fail
    def __iter__(self):
        yield b'a'
        if self.fail == 'iter':
            raise RuntimeError('broken')
    def close(self):
        self.errors.write('closed\\n')
        if self.fail == 'close':
            raise RuntimeError('broken')
def app(environ, start_response):
    start_response('200 OK', [])
    return Body(environ, environ['QUERY_STRING'])
";
    let order = |query: &str| {
        let request = format!("GET /?{query} HTTP/1.1\r\nHost: a\r\n\r\n");
        let reply = module(code).request(&request).run();
        let firsts = reply
            .errors
            .iter()
            .map(|line| line.split('\n').next().unwrap().to_owned());
        firsts.collect::<Vec<_>>()
    };
    assert_eq!(order(""), ["INFO access line", "ERROR closed"]);
    let failed = "ERROR Error handling request GET /?";
    assert_eq!(
        order("iter"),
        [&format!("{failed}iter"), "INFO access line", "ERROR closed"]
    );
    assert_eq!(
        order("close"),
        [
            "INFO access line",
            "ERROR closed",
            &format!("{failed}close")
        ]
    );
}

#[test]
fn a_client_that_left_is_no_error_of_the_app() {
    let mut call = app("ok()\nyield b'one'\nyield b'two'\nyield b'three'");
    call.closed_after = Some(1);
    let reply = call.run();
    assert_eq!(reply.writes.len(), 1);
    assert!(!reply.keep_alive);
    assert!(
        reply.errors[0].starts_with("DEBUG Ignored premature client disconnection."),
        "{}",
        reply.errors()
    );
}

#[test]
fn head_gets_no_body() {
    let request = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
    for body in [
        "ok()\nreturn [b'body']",
        "ok()\nyield b'body'",
        "ok()(b'body')\nreturn []",
    ] {
        let reply = app(body).request(request).run();
        assert!(
            reply.text().ends_with("\r\n\r\n") && !reply.text().contains("Content-Length"),
            "{body}"
        );
        assert_eq!(reply.logged, (200, 0));
    }
    let reply = app("raise ValueError").request(request).run();
    assert!(reply.text().ends_with("\r\n\r\n"));
}

#[test]
fn file_wrapper() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "0123456789").unwrap();
    let wrap = |open: &str, headers: &str| {
        let body = format!(
            "import io, gzip\nf = {}\nok({headers})\nreturn environ['wsgi.file_wrapper'](f, 4)",
            open.replace("PATH", &format!("{:?}", path.to_str().unwrap()))
        );
        app(&body).run()
    };
    let whole = wrap("open(PATH, 'rb')", "");
    assert_eq!(
        (whole.body().as_str(), whole.writes.len()),
        ("0123456789", 1)
    );
    assert!(whole.text().contains("Content-Length: 10\r\n"));
    assert_eq!(whole.logged, (200, 10));

    let rest = wrap("open(PATH, 'rb'); f.read(3)", "");
    assert_eq!((rest.body().as_str(), rest.files_sent), ("3456789", 0));
    let stated = wrap("open(PATH, 'rb', 0)", "('Content-Length', '4')");
    assert_eq!((stated.body().as_str(), stated.files_sent), ("0123", 0));

    let sought = app(&format!(
        "f = environ['wsgi.file_wrapper'](open({path:?}, 'rb'), 3)\n\
         f.seek(-4, 2)\nok()\nreturn [b'%d %r ' % (f.tell(), f.seekable()), *f]"
    ))
    .run();
    assert_eq!(sought.body(), "6 True 6789");
    let unseekable = "class File:\n    read = seekable = lambda self, *size: b''\n\
         ok()\nwrap = environ['wsgi.file_wrapper']\n\
         return [b'%r %r' % (wrap(File()).seekable(), wrap(object()).seekable())]";
    assert_eq!(app(unseekable).run().body(), "False False");

    let small = std::fs::read(&path).unwrap();
    std::fs::write(&path, "x".repeat(100_000)).unwrap();
    let large = wrap("open(PATH, 'rb'); f.seek(-10, 2)", "");
    assert_eq!((large.body().as_str(), large.files_sent), ("xxxxxxxxxx", 1));
    std::fs::write(&path, small).unwrap();

    let memory = wrap("io.BytesIO(b'0123456789')", "");
    assert_eq!(
        (memory.body().as_str(), memory.files_sent),
        ("4\r\n0123\r\n4\r\n4567\r\n2\r\n89\r\n0\r\n\r\n", 0)
    );
    let text = wrap("open(PATH)", "");
    assert_eq!((text.status(), text.files_sent), (500, 0));

    let closed = module(
        "class File:\n    \
             closed = 0\n    \
             def read(self, size): return b''\n    \
             def close(self): File.closed += 1\n\
         def app(environ, start_response):\n    \
             start_response('200 OK', [])\n    \
             return environ['wsgi.file_wrapper'](File())\n\
         class Count:\n    \
             def __str__(self): return str(File.closed)\n\
         closed = Count()\n",
    )
    .run();
    assert_eq!(closed.global("closed"), "1");
}

#[test]
fn a_list_of_many_blocks() {
    let reply = app("ok()\nreturn [b'ab'] * 5000").run();
    assert_eq!(reply.writes.len(), 1);
    assert_eq!(reply.body(), "ab".repeat(5000));
}
