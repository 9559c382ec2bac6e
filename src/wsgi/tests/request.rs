//! The environ and the input of an app.

use super::*;

#[test]
fn the_environ() {
    let request = "POST /a%20b/%C3%A9?d=e%20f HTTP/1.1\r\nHost: example.org:80\r\n\
                   content-type: text/x\r\nContent-Length: 0\r\nX-Two: 1\r\nx-two: caf\u{e9}\r\n\r\n";
    let reply = module(
        "def app(environ, start_response):\n    \
             global seen, kinds\n    \
             seen = {k: v for k, v in environ.items() if isinstance(v, (str, bool, tuple))}\n    \
             kinds = type(environ) is dict\n    \
             start_response('200 OK', [])\n    \
             return []\n\
         text = ''\n",
    )
    .request(request)
    .run();
    assert_eq!(reply.global("kinds"), "True");
    let seen = Python::attach(|py| {
        let seen = reply.globals.bind(py).get_item("seen").unwrap().unwrap();
        let mut pairs: Vec<(String, String)> = seen
            .cast::<PyDict>()
            .unwrap()
            .iter()
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect();
        pairs.sort();
        pairs
    });
    let expected = [
        ("CONTENT_LENGTH", "0"),
        ("CONTENT_TYPE", "text/x"),
        ("HTTP_HOST", "example.org:80"),
        ("HTTP_X_TWO", "1,caf\u{c3}\u{a9}"),
        ("PATH_INFO", "/a b/\u{c3}\u{a9}"),
        ("QUERY_STRING", "d=e%20f"),
        ("RAW_URI", "/a%20b/%C3%A9?d=e%20f"),
        ("REMOTE_ADDR", "127.0.0.2"),
        ("REMOTE_PORT", "40000"),
        ("REQUEST_METHOD", "POST"),
        ("SCRIPT_NAME", ""),
        ("SERVER_NAME", "127.0.0.1"),
        ("SERVER_PORT", "8000"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("SERVER_SOFTWARE", "rgunicorn/test"),
        ("wsgi.input_terminated", "True"),
        ("wsgi.multiprocess", "False"),
        ("wsgi.multithread", "False"),
        ("wsgi.run_once", "False"),
        ("wsgi.url_scheme", "http"),
        ("wsgi.version", "(1, 0)"),
    ];
    assert_eq!(
        seen,
        expected.map(|(key, value)| (key.to_owned(), value.to_owned()))
    );
}

#[test]
fn script_name() {
    let mut call =
        app("ok()\nreturn [f\"{environ['SCRIPT_NAME']} {environ['PATH_INFO']}\".encode()]");
    call.options.script_name = "/a%20b/".into();
    assert_eq!(call.run().body(), "/a%20b /c");
    call.options.script_name = "/a".into();
    let reply = call.run();
    assert_eq!((reply.status(), reply.keep_alive), (500, false));
    assert_eq!(
        reply.errors,
        [
            "WARN Invalid request from ip=127.0.0.2: \
             Configuration problem: Request path '/a%20b/c' does not start with SCRIPT_NAME '/a'",
            "INFO access line"
        ]
    );
}

#[test]
fn the_validator_finds_nothing() {
    let code = "
import warnings
from wsgiref.validate import validator
warnings.simplefilter('error')
closed = []

class Body:
    def __iter__(self):
        yield b'hello'
    def close(self):
        closed.append(True)

@validator
def app(environ, start_response):
    stream, errors = environ['wsgi.input'], environ['wsgi.errors']
    read = stream.read(3) + stream.readline() + b''.join(stream.readlines()) + b''.join(stream)
    errors.write('a line\\n')
    errors.writelines(['two ', 'parts'])
    errors.flush()
    write = start_response('200 OK', [('Content-Type', 'text/plain')])
    write(read)
    return Body()
";
    for request in [
        "POST /p?q HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nab\ncd\nef",
        "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nab\ncd\nef\r\n0\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\r\n",
    ] {
        let reply = module(code).request(request).run();
        assert_eq!(reply.status(), 200, "{}", reply.errors());
        assert_eq!(reply.global("closed"), "[True]");
        let told = reply
            .errors
            .iter()
            .filter(|line| !line.starts_with("DEBUG"));
        assert_eq!(
            told.collect::<Vec<_>>(),
            ["ERROR a line", "ERROR two parts", "INFO access line"]
        );
        assert_eq!(
            reply.text().contains("ab\ncd\nef"),
            request.starts_with("POST")
        );
        assert_eq!(reply.text().contains("hello"), !request.starts_with("HEAD"));
    }
}

#[test]
fn input() {
    let cases = [
        ("read()", "b'one\\ntwo\\nthree'"),
        ("read(-1)", "b'one\\ntwo\\nthree'"),
        ("read(None)", "b'one\\ntwo\\nthree'"),
        ("read(0)", "b''"),
        ("read(5)", "b'one\\nt'"),
        ("read(500)", "b'one\\ntwo\\nthree'"),
        ("readline()", "b'one\\n'"),
        ("readline(2)", "b'on'"),
        ("readline(0)", "b''"),
        ("readlines()", "[b'one\\n', b'two\\n', b'three']"),
        ("readlines(4)", "[b'one\\n']"),
        ("readlines(5)", "[b'one\\n', b'two\\n']"),
        ("readlines(0)", "[b'one\\n', b'two\\n', b'three']"),
    ];
    let length = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 13\r\n\r\none\ntwo\nthreeGET /next";
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                   2\r\non\r\n3\r\ne\nt\r\n8\r\nwo\nthree\r\n0\r\nT: x\r\n\r\nGET /next";
    for (expression, expected) in cases {
        for request in [length, chunked] {
            for piece in [1, 3, usize::MAX] {
                let mut call = app(&format!(
                    "got = environ['wsgi.input'].{expression}\nok()\nreturn [repr(got).encode()]"
                ))
                .request(request);
                call.piece = piece;
                assert_eq!(call.run().body(), expected, "{expression}");
            }
        }
    }
    let all = "body = environ['wsgi.input']\ngot = list(body) + [body.read(), body.readline(), next(body, None)]";
    let reply = app(&format!("{all}\nok()\nreturn [repr(got).encode()]"))
        .request(length)
        .run();
    assert_eq!(
        reply.body(),
        "[b'one\\n', b'two\\n', b'three', b'', b'', None]"
    );
}

#[test]
fn a_bad_body_is_the_clients_fault() {
    let read = app("body = environ['wsgi.input'].read()\nok()\nreturn [body]");
    let bad = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n";
    let reply = read.clone().request(bad).run();
    assert_eq!(reply.status(), 400);
    assert!(
        reply.errors[0].starts_with("WARN Invalid request from ip=127.0.0.2: Invalid chunk size")
    );
    assert!(!reply.keep_alive);

    let caught =
        app("try: environ['wsgi.input'].read()\nexcept OSError as e: ok()\nreturn [b'caught']");
    assert_eq!(caught.request(bad).run().body(), "caught");

    let short = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc";
    let reply = read.request(short).run();
    assert_eq!(reply.status(), 400);
    assert!(
        reply
            .errors()
            .contains("The request body could not be received: connection reset")
    );
}

#[test]
fn nothing_works_after_the_request() {
    let code = "
kept = []
def app(environ, start_response):
    kept.append((environ['wsgi.input'], start_response('200 OK', [])))
    return []
def use():
    stream, write = kept[0]
    out = []
    for call in (stream.read, lambda: write(b'late')):
        try:
            call()
        except ValueError as e:
            out.append(str(e))
    return out
";
    let reply = module(code)
        .request("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
        .run();
    Python::attach(|py| {
        let late = reply.globals.bind(py).get_item("use").unwrap().unwrap();
        let late: Vec<String> = late.call0().unwrap().extract().unwrap();
        assert_eq!(late.len(), 2, "{late:?}");
    });
    assert_eq!(reply.writes.len(), 1);
}
