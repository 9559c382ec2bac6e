"""Prints what parts of `gunicorn` do that can be used alone. Any package of that name
must print the same."""

import io
import os
import socket
import sys

from gunicorn import config, errors, util
from gunicorn.http import Request, RequestParser, body, get_parser, unreader, wsgi
from gunicorn.http.errors import ParseException
from gunicorn.pidfile import Pidfile
from gunicorn.workers.workertmp import WorkerTmp

os.environ.pop("SCRIPT_NAME", None)


def show(what, act, *args, words=False):
    """The result, or the error: its class, and its text if that must be the same."""
    try:
        result = act(*args)
    except Exception as error:
        same = words or isinstance(error, (ParseException, OSError))
        result = f"{type(error).__name__}: {error if same else ''}"
    print(what, *map(repr, args), "->", result)


def cfg(**values):
    made = config.Config()
    for name, value in values.items():
        made.set(name, value)
    return made


# Requests

GET = b"GET /a%20b?c=d#e HTTP/1.1\r\nHost: x\r\nA: 1\r\nA:  2 \r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
PROXY = b"PROXY TCP4 192.0.2.1 192.0.2.2 80 443\r\n"
PROXY_2 = b"\r\n\r\n\x00\r\nQUIT\n"
REQUESTS = [
    b"",
    GET,
    b"\r\n" + GET,
    b"\r\n\r\n" + GET,
    GET + GET,
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"GET / HTTP/1.1\r\nConnection: Close\r\n\r\n",
    b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\n\r\n",
    b"GET * HTTP/1.1\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\n\r\n",
    b"GET a:1 HTTP/1.1\r\n\r\n",
    b"GET http://a/b?c HTTP/1.1\r\n\r\n",
    b"GET //a//b HTTP/1.1\r\n\r\n",
    b"GET http://[a HTTP/1.1\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.2\r\n\r\n",
    b"GET / HTTP/2.0\r\n\r\n",
    b"GET / HTTP/11\r\n\r\n",
    b"GET /\r\n\r\n",
    b"GET  / HTTP/1.1\r\n\r\n",
    b"get / HTTP/1.1\r\n\r\n",
    b"GE / HTTP/1.1\r\n\r\n",
    b"G=T / HTTP/1.1\r\n\r\n",
    b"MKCALENDAR-XYZ / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\n\n",
    b"GET / HTTP/1.1\r\nA: b\n\r\n",
    b"GET / HTTP/1.1\r\nA b\r\n\r\n",
    b"GET / HTTP/1.1\r\n: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nA : b\r\n\r\n",
    b"GET / HTTP/1.1\r\nA\xdf: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nA: b\x00\r\n\r\n",
    b"GET / HTTP/1.1\r\nA: b\xff\r\n\r\n",
    b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
    b"GET / HTTP/1.1\r\nA_B: c\r\nScript_Name: /x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nExpect: 100-Continue\r\n\r\n",
    b"GET / HTTP/1.1\r\nExpect: more\r\n\r\n",
    b"GET / HTTP/1.1\r\nX-Forwarded-Proto: https\r\n\r\n",
    b"GET / HTTP/1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off\r\n\r\n",
    b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n\r\n",
    b"GET /" + b"a" * 5000,
    b"GET / HTTP/1.1\r\nA: " + b"a" * 9000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"A: a\r\n" * 200 + b"\r\n",
    b"GET / HTTP/1.1\r\nA: a",
    b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhe\nlo" + GET,
    b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhe",
    b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n" + GET,
    b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: what\r\n\r\n",
    CHUNKED + b"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n" + GET,
    CHUNKED + b"3\r\nabc\r\n0\r\nT: 1\r\nU: 2\r\n\r\n" + GET,
    CHUNKED + b"0\r\nHost: 1\r\n\r\n",
    CHUNKED + b"0\r\n",
    CHUNKED + b"3\r\nabcd\r\n",
    CHUNKED + b"3\r\nab",
    CHUNKED + b"x\r\n",
    CHUNKED + b"\r\n",
    CHUNKED + b"1 \r\na\r\n0\r\n\r\n",
    CHUNKED + b"1 ;a\r\na\r\n0\r\n\r\n",
    CHUNKED + b'1;a="b;c"\r\na\r\n0\r\n\r\n',
    CHUNKED + b"1;=\r\na\r\n0\r\n\r\n",
    CHUNKED + b"1;a\rb\r\na\r\n0\r\n\r\n",
    PROXY + GET,
    PROXY.replace(b"80", b"800000") + GET,
    PROXY.replace(b"TCP4", b"TCP6") + GET,
    PROXY_2 + b"\x21\x11\x00\x0c" + bytes(range(12)) + GET,
    PROXY_2 + b"\x21\x21\x00\x26" + bytes(range(38)) + GET,
    PROXY_2 + b"\x20\x00\x00\x00" + GET,
    PROXY_2 + b"\x21\x01\x00\x00" + GET,
    PROXY_2 + b"\x21\x12\x00\x0c" + bytes(range(12)) + GET,
    PROXY_2 + b"\x21\x11\x00\x02ab" + GET,
    PROXY_2 + b"\x21\x31\x00\x02ab" + GET,
    PROXY_2 + b"\x11\x11\x00\x0c" + bytes(range(12)) + GET,
    PROXY_2 + b"\x22\x11\x00\x0c" + bytes(range(12)) + GET,
]
SETTINGS = [
    {},
    {"proxy_protocol": "auto", "proxy_allow_ips": "*"},
    {"proxy_protocol": "v1"},
    {"header_map": "refuse", "strip_header_spaces": True, "limit_request_fields": 3},
    {"header_map": "dangerous", "permit_obsolete_folding": True, "limit_request_line": 0},
    {
        "permit_unconventional_http_method": True,
        "permit_unconventional_http_version": True,
        "casefold_http_method": True,
        "forwarded_allow_ips": "192.0.2.0/24",
    },
]


def requests(data, step, settings, peer):
    pieces = [data[start : start + step] for start in range(0, len(data), step)]
    told = []
    try:
        for req in RequestParser(settings, iter(pieces), peer):
            told.append(
                (req.method, req.uri, req.path, req.query, req.fragment, req.version)
                + (req.headers, req.scheme, req.proxy_protocol_info, req.req_number)
            )
            told.append((req.body.read(), req.trailers, req.should_close()))
    except Exception as error:
        # If such a line has several faults, the text may differ.
        is_proxys = type(error).__name__ in ("InvalidProxyLine", "InvalidProxyHeader")
        told.append((type(error).__name__, "" if is_proxys else str(error)))
    return told


for number, values in enumerate(SETTINGS):
    settings = cfg(**values)
    for index, data in enumerate(REQUESTS):
        for step in (1, 7, 1 << 20):
            if step == 1 and len(data) > 1000:
                continue
            for peer in (("127.0.0.1", 1), ("192.0.2.9", 1), ""):
                print("request", number, index, step, peer, requests(data, step, settings, peer))

# Bodies

TEXT = b"one\ntwo\n\nthree"
for step in (1, 4, 100):
    pieces = [TEXT[start : start + step] for start in range(0, len(TEXT), step)]
    for reader in (
        lambda source: body.LengthReader(source, len(TEXT) - 1),
        body.EOFReader,
    ):
        read = lambda: body.Body(reader(unreader.IterUnreader(pieces)))
        show("lines", lambda: list(read()))
        show("readlines", lambda: read().readlines())
        for size in (None, -1, 0, 2, 5, 100):
            show("read", lambda it: [read().read(it), read().readline(it)], size)
        show("read", lambda: read().read("1"))
        both = read()
        show("mixed", lambda: [both.readline(), both.read(2), both.readline(1), both.read()])
source = unreader.IterUnreader([b"abc", b"def"])
show("unreader", lambda: [source.read(2), source.unread(b"xy"), source.read(), source.take_buffered()])
show("unreader", lambda: [source.read(2), source.read(0), source.read(9), source.read()])


# Answers


class Socket(io.BytesIO):
    sendall = send = io.BytesIO.write

    def recv(self, size):
        return b""


def exchange(line, fields, answer, pieces, server=("127.0.0.1", 80), client=("192.0.2.1", 9)):
    data = line + b" HTTP/1.1\r\n" + fields + b"\r\n"
    settings = cfg()
    req = Request(settings, unreader.IterUnreader([data]), client)
    sock = Socket()
    resp, environ = wsgi.create(req, sock, client, server, settings)
    kept = {
        name: value
        for name, value in environ.items()
        if isinstance(value, (str, tuple, bool)) and name != "SERVER_SOFTWARE"
    }
    print("environ", sorted(kept.items()))
    environ["wsgi.early_hints"]([("Link", "</a>")])
    write = resp.start_response(*answer)
    for piece in pieces:
        write(piece)
    resp.close()
    head = sock.getvalue().decode("latin-1").splitlines(True)
    lines = [line for line in head if not line.startswith(("Date", "Server"))]
    print("answer", lines, resp.sent, resp.response_length, resp.should_close(), resp.chunked)


OK = ("200 OK", [("Content-Type", "text/plain")])
SIZED = ("200 OK", [("Content-Length", "3"), ("Connection", "x"), ("Upgrade", "websocket")])
for args in (
    (b"GET /a%ffb", b"Host: h:8\r\nA: 1\r\nA: 2\r\nA-B: 3\r\n", OK, [b"a", b"", b"bc"]),
    (b"GET /", b"", SIZED, [b"ab", b"cd", b"e"]),
    (b"HEAD /", b"Content-Type: t\r\nContent-Length: 0\r\n", SIZED, [b""]),
    (b"GET /", b"Connection: close\r\n", ("204 No", [("Content-Length", "0")]), []),
    (b"GET /", b"", ("304 Not", [("A", " b ")]), []),
    (b"GET /", b"Host: h\r\n", OK, [b"a"], "/run/sock", ""),
    (b"GET /", b"Host: h:1\r\n", OK, [b"a"], "/run/sock", b"there"),
    (b"GET /", b"", OK, [b"a"], "name:1"),
    (b"GET /", b"Expect: 100-continue\r\n", ("101 S", [("Connection", "upgrade")]), []),
):
    show("exchange", lambda: exchange(*args))
for answer in (
    ("200", []),
    ("OK", []),
    (b"200 OK", []),
    ("200 OK", [("A b", "")]),
    ("200 OK", [("A", "b\n")]),
    ("200 OK", [("A", 1)]),
    ("200 OK", [(b"A", "1")]),
):
    show("start", lambda: exchange(b"GET /", b"", answer, []))
show("wrapper", lambda: list(wsgi.FileWrapper(io.BytesIO(b"abcde"), 2)))
show("parser", lambda: type(get_parser(cfg(), [], None)).__name__)

# Helpers

for text in (
    "", "host", "host:1", "HOST:1", ":1", "host:", "1.2.3.4:5", "[::1]", "[::1]:8", "[::1]:x",
    "tcp://h:1", "tcp://[::1]", "unix:/a", "unix:///a", "unix:a", "fd://3", "fd://x", "h:1:2",
):
    show("parse_address", util.parse_address, text, words=True)
for text in ("/a?b#c", "//a/b", "http://h/p?q", "*", "/a//b;c"):
    show("split", lambda it: tuple(util.split_request_uri(it)), text)
for header in ("Connection", " date ", "X", "TE"):
    show("hoppish", util.is_hoppish, header)
for value in ("a", b"a", 1, "\xe9"):
    show("bytes", util.to_bytestring, value)
    show("text", util.bytes_to_str, value)
for value in (io.BytesIO(), sys.stderr, 1, socket.socket()):
    print("fileno", util.has_fileno(value))
for function in (lambda: 1, lambda a, *b: 1, lambda a, b=1, *, c: 1):
    print("arity", util.get_arity(function))
show("date", util.http_date, 0)
show("unquote", util.unquote_to_wsgi_str, "/a%ff%2Fb")
show("glob", util.is_glob_pattern, "a[b")
show("ipv6", util.is_ipv6, "::1")
show("user", util.get_username, 0)
show("writable", util.check_is_writable, "/nowhere/file")
for uri in (
    "sync", "gthread", "gunicorn.errors.ConfigError", "nothing", "no.such.module",
    "gunicorn.errors.Nothing", "egg:nothing#x", dict,
):
    show("class", lambda it: util.load_class(it).__name__, uri)
show("reraise", util.reraise, ValueError, ValueError("x"))
left, right = socket.socketpair()
util.write_error(left, 400, "Bad", "<x>")
util.write_chunk(left, "abc")
util.write_nonblock(left, b"z", True)
util.close_graceful(left, timeout=0.1)
print("sent", right.recv(9999).split(b"\r\n\r\n")[0], right.recv(1))
answer = util.make_fail_app("failed")({}, lambda *args: print("fail", args))
print(answer)

# Settings

VALUES = (
    None, True, False, 0, 1, -1, 16384, "", "a", " b ", "true", "False", "10", "0x10", "0",
    "-1", "127.0.0.1", "127.0.0.1,::1", "10.0.0.1/8", "*", "h1,h2", "h3", "auto", "off", "on",
    "drop", "DANGEROUS", "poll", "v1", "prior-knowledge", "uvloop", "/", "/nowhere", "root",
    "localhost:8125", "unix:1", "unix:///s", "h:x", [], ["a "], [1], ("a",), {}, {"a": 1},
    len, dict, lambda a: a, lambda a, b: a, "os.getcwd", "os.nothing", "nothing.at_all", 1.5,
)
for name in sorted(vars(config)):
    # A value of a wrong type gives an error of any class.
    if name.startswith("validate_") and name not in ("validate_callable", "validate_ssl_version"):
        for value in VALUES:
            try:
                result = getattr(config, name)(value)
            except Exception:
                result = "refused"
            if name == "validate_post_request":
                result = callable(result)
            print(name, value if not callable(value) else "function", result)
for arity in (-1, 1, 2):
    for value in VALUES:
        try:
            result = callable(config.validate_callable(arity)(value))
        except Exception:
            result = "refused"
        print("validate_callable", arity, value if not callable(value) else "function", result)
for text in ("0", "022", "22", "0x1f", "0o22", "00"):
    show("auto_int", config.auto_int, None, text)

made = cfg(
    bind="127.0.0.1:1", workers="3", threads=2, raw_env=["A=b=c"], statsd_host="h:1",
    raw_paste_global_conf=[r"a\=b=c"], forwarded_allow_ips="10.0.0.0/8,*", proc_name=None,
)
for name in (
    "address", "uid", "gid", "proc_name", "env", "is_ssl", "worker_class_str",
    "paste_global_conf", "reuse_port", "workers", "threads", "forwarded_allow_ips",
    "statsd_host", "bind",
):
    print("cfg", name, getattr(made, name))
print("cfg", made.worker_class.__name__, made.forwarded_allow_networks(), "ca_certs" in made.ssl_options)
print("cfg", made.logger_class.__name__, config.Config().logger_class.__name__)
for act in (
    lambda: made.nothing,
    lambda: made.set("nothing", 1),
    lambda: setattr(made, "workers", 1),
    lambda: made.set("workers", -1),
    lambda: made.set("worker_class", 1),
    lambda: cfg(raw_env=["A"]).env,
):
    show("cfg", act, words=True)
line = "-w 3 -b :1 -b :2 -m 022 --reload --no-sendfile -e A=1 -k gthread --log-level debug x y"
parsed = vars(made.parser().parse_args(line.split()))
print("parsed", {name: value for name, value in sorted(parsed.items()) if value is not None})
os.environ["GUNICORN_CMD_ARGS"] = "--a 'b c'"
print("from env", config.Config().get_cmd_args_from_env())
print("settings", "bind" in config.make_settings(ignore=["bind"]), "bind" in config.make_settings())
made = config.Config("%(prog)s X", prog="p")
print("config", made.usage, made.prog, config.get_default_config_file())

# Files

os.chdir(sys.argv[1])
file = Pidfile("a.pid")
file.create(1)
print("pid", open("a.pid").read(), file.validate(), Pidfile("none").validate())
show("pid", Pidfile("a.pid").create, 2, words=True)
show("pid", Pidfile("no/b.pid").create, 2, words=True)
file.pid = os.getpid()
open("a.pid", "w").write(str(os.getpid()))
file.rename("b.pid")
print("pid", os.path.exists("a.pid"), oct(os.stat("b.pid").st_mode), open("b.pid").read() == f"{os.getpid()}\n")
file.unlink()
print("pid", os.listdir("."))
tmp = WorkerTmp(cfg())
before = tmp.last_update()
tmp.notify()
print("tmp", before > tmp.last_update() > 0, tmp.fileno() > 0, os.listdir("."))
tmp.close()

# Errors

print(str(errors.HaltServer("why", 3)), errors.HaltServer("x").exit_status)
