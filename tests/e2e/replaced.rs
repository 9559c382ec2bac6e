//! What hooks can replace, and what they see of a request and its response.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::support::{
    Process, Response, Start, folder, in_both_classes, in_each_class, wait_until,
};

const APP: &str = "
import asyncio

def wsgi(environ, start_response):
    body = environ['wsgi.input'].read()
    if environ['PATH_INFO'] == '/echo':
        seen = [environ.get(name, '') for name in ('QUERY_STRING', 'HTTP_X_ADDED', 'HTTP_X_GONE', 'HTTP_COOKIE')]
        body = ' '.join(seen).encode()
    headers = [('X-Answer', 'yes'), ('X-Software', environ['SERVER_SOFTWARE'])]
    if environ['PATH_INFO'] == '/pieces':
        start_response('200 OK', headers)
        return iter([b'hel', b'lo'])
    start_response('200 OK', headers + [('Content-Length', str(len(body)))])
    return [body]

async def asgi(scope, receive, send):
    assert scope['type'] == 'http'
    headers = [(b'X-Answer', b'yes'), (b'Content-Length', b'5')]
    await send({'type': 'http.response.start', 'status': 200, 'headers': headers})
    await send({'type': 'http.response.body', 'body': b'hello'})
";

/// Wraps apps of both kinds, and says so in the response.
const WRAP: &str = "
import inspect

def tell(*seen):
    with open('calls', 'a') as calls:
        print(*seen, file=calls)

def wrap(app, name):
    if inspect.iscoroutinefunction(app):
        async def wrapped(scope, receive, send):
            async def more(message):
                if message['type'] == 'http.response.start':
                    message['headers'] = [*message['headers'], (b'X-Wrap', name.encode())]
                await send(message)
            await app(scope, receive, more)
    else:
        def wrapped(environ, start_response):
            def more(status, headers, exc_info=None):
                return start_response(status, headers + [('X-Wrap', name)], exc_info)
            return app(environ, more)
    return wrapped
";

fn site(config: &str) -> TempDir {
    let dir = folder();
    let config = format!("{WRAP}\n{config}");
    fs::write(dir.path().join("app.py"), APP).unwrap();
    fs::write(dir.path().join("gunicorn.conf.py"), config).unwrap();
    let other = format!(
        "{WRAP}\nimport app\nwsgi, asgi = wrap(app.wsgi, 'other'), wrap(app.asgi, 'other')"
    );
    fs::write(dir.path().join("other.py"), other).unwrap();
    dir
}

fn start(dir: &Path, args: &[&str]) -> Process {
    Start::server(args).cwd(dir).spawn()
}

fn calls(dir: &Path) -> Vec<String> {
    let text = fs::read_to_string(dir.join("calls")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn post(server: &Process, path: &str) -> Response {
    server.target().exchange(format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nX-Gone: 1\r\nCookie: a=b\r\nConnection: close\r\n\
         Content-Length: 5\r\n\r\nhello"
    ))
}

in_each_class! {
    the_app_may_be_replaced,
    max_requests_may_be_replaced,
    signals_have_handlers,
}

fn the_app_may_be_replaced(args: &[&str]) {
    for (hook, wraps) in [
        (
            "def post_worker_init(worker): worker.wsgi = wrap(worker.wsgi, 'init')",
            "init",
        ),
        (
            "def post_fork(server, worker): worker.app.wsgi = (lambda app: lambda: wrap(app(), 'wsgi'))(worker.app.wsgi)",
            "wsgi",
        ),
        (
            "def post_fork(server, worker): worker.app.load = (lambda load: lambda: wrap(load(), 'load'))(worker.app.load)",
            "load",
        ),
        (
            "import app\ndef post_fork(server, worker): worker.app.callable = wrap(getattr(app, KIND), 'callable')",
            "callable",
        ),
        (
            "import app\ndef when_ready(server): server.app.callable = wrap(getattr(app, KIND), 'server')",
            "server",
        ),
        (
            "class Own:\n    def wsgi(self): return wrap(getattr(app, KIND), 'own')\nimport app\ndef when_ready(server): server.app = Own()",
            "own",
        ),
        (
            "def post_fork(server, worker): worker.app.app_uri = 'other:' + KIND",
            "other",
        ),
        (
            "preload_app = True\ndef post_fork(server, worker): worker.app.callable = wrap(worker.app.callable, 'preloaded')",
            "preloaded",
        ),
    ] {
        let kind = if args.contains(&"app:asgi") {
            "asgi"
        } else {
            "wsgi"
        };
        let dir = site(&format!("KIND = {kind:?}\n{hook}\n"));
        let server = start(dir.path(), args);
        let answer = post(&server, "/");
        assert_eq!(answer.header("X-Wrap"), Some(wraps), "{hook}");
        assert_eq!(answer.ok(), "hello");
    }
}

fn max_requests_may_be_replaced(args: &[&str]) {
    let dir = site("def post_fork(server, worker): worker.max_requests = 2\n");
    let server = start(dir.path(), args);
    post(&server, "/");
    assert!(!server.stderr.so_far().contains("Autorestarting"));
    post(&server, "/");
    server
        .stderr
        .wait_for("Autorestarting worker after current request.");
}

fn signals_have_handlers(args: &[&str]) {
    let dir = site(
        "import signal
def post_worker_init(worker):
    for name in ('TERM', 'INT', 'QUIT', 'USR1', 'ABRT'):
        assert callable(signal.getsignal(getattr(signal, 'SIG' + name))), name
    tell('callable')
",
    );
    // As when a shell starts the server in the background.
    let script = "trap '' INT QUIT; exec \"$@\"";
    let program = crate::support::program();
    let server = Start::program("sh", ["-c", script, "sh", program.to_str().unwrap()])
        .args(["--bind", "127.0.0.1:0"])
        .args(args)
        .cwd(dir.path())
        .spawn();
    post(&server, "/");
    assert_eq!(calls(dir.path()), ["callable"]);
}

mod requests {
    use super::*;

    in_both_classes! {
        a_request_may_be_changed_before_its_environ,
        an_answer_is_shown_as_it_was_sent,
        the_names_of_the_server_may_be_changed,
    }
}

fn a_request_may_be_changed_before_its_environ(args: &[&str]) {
    let dir = site(
        "def pre_request(worker, req):
    assert req.body is not None
    if req.path == '/change':
        req.path, req.query = '/echo', 'new'
        req.headers = [one for one in req.headers if one[0] != 'X-GONE']
        req.headers += [('X-ADDED', '1'), ('X-ADDED', '2'), ('COOKIE', 'c=d')]
",
    );
    let server = start(dir.path(), &[args, &["app:wsgi"]].concat());
    assert_eq!(post(&server, "/echo?q").ok(), "q  1 a=b");
    assert_eq!(post(&server, "/change?q").ok(), "new 1,2  a=b; c=d");
}

fn an_answer_is_shown_as_it_was_sent(args: &[&str]) {
    let dir = site(
        "def post_request(worker, req, environ, resp):
    names = [name for name, value in resp.headers]
    tell(req.body is not None, environ['PATH_INFO'], resp.status, resp.response_length, resp.sent,
         resp.headers_sent, resp.chunked, resp.version, *names)
",
    );
    let server = start(dir.path(), &[args, &["app:wsgi"]].concat());
    for (path, count) in [("/", 1), ("/pieces", 2)] {
        post(&server, path);
        wait_until("it is shown", || calls(dir.path()).len() == count);
    }
    let expected = [
        "True / 200 OK 5 5 True False rgunicorn X-Answer X-Software Content-Length",
        "True /pieces 200 OK None 5 True True rgunicorn X-Answer X-Software",
    ];
    assert_eq!(calls(dir.path()), expected);
}

fn the_names_of_the_server_may_be_changed(args: &[&str]) {
    let dir =
        site("import gunicorn\ngunicorn.SERVER = 'web'\ngunicorn.SERVER_SOFTWARE = 'soft/1'\n");
    let args = [args, &["app:wsgi"]].concat();
    let answer = post(&start(dir.path(), &args), "/");
    assert_eq!(answer.header("Server"), Some("web"));
    assert_eq!(answer.header("X-Software"), Some("soft/1"));
    // The setting does the same in a simpler way.
    let args = [&args[..], &["--server-header", "mine"]].concat();
    let answer = post(&start(dir.path(), &args), "/");
    assert_eq!(answer.header("Server"), Some("mine"));
}

#[test]
fn a_name_that_is_no_field_value_is_not_sent() {
    let dir = site("import gunicorn\ngunicorn.SERVER = 'web\\r\\nX-Injected: yes'\n");
    let server = Start::server(["app:wsgi"]).cwd(dir.path()).spawn();
    let answer = server.target().get("/");
    assert_eq!(answer.header("Server"), Some("rgunicorn"));
    assert_eq!(answer.header("X-Injected"), None);
    server
        .stderr
        .wait_for("gunicorn.SERVER is \"web\\r\\nX-Injected: yes\", which cannot be");
}

#[test]
fn an_asgi_apps_server_has_the_changed_name() {
    let dir = site("import gunicorn\ngunicorn.SERVER = 'web'\n");
    let answer = post(&start(dir.path(), &["app:asgi"]), "/");
    assert_eq!(answer.header("Server"), Some("web"));
}

#[test]
fn the_log_may_be_replaced_and_a_changed_setting_is_warned_of() {
    let dir = site(
        "class Own:
    def __init__(self, log): self.log = log
    def __getattr__(self, name): return getattr(self.log, name)
    def info(self, text, *rest): self.log.info('own: ' + text, *rest)
def on_starting(server):
    server.log = Own(server.log)
    server.cfg.set('timeout', 7)
def post_fork(server, worker):
    server.log.info('server %s', worker.cfg.timeout)
    worker.log.info('worker')
",
    );
    let server = start(dir.path(), &["app:wsgi"]);
    server.stderr.wait_for("own: server 7");
    server.stderr.wait_for("own: worker");
    server
        .stderr
        .wait_for("The setting timeout is changed by a hook, when");
}
