"""Special cases of WSGI. `app` runs inside the standard library's validator."""

import hashlib
import os
import subprocess
import sys
import time
from wsgiref.validate import validator


def plain(environ, start_response):
    return PAGES[environ["PATH_INFO"]](environ, start_response)


def echo(environ, start_response):
    body = environ["wsgi.input"].read(1 << 30)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["REQUEST_METHOD"].encode(), b" ", body]


def digest(environ, start_response):
    """Reads in blocks, so that the whole body is never in memory."""
    sha, size = hashlib.sha256(), 0
    while block := environ["wsgi.input"].read(100_000):
        sha.update(block)
        size += len(block)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{size} {sha.hexdigest()}".encode()]


def hinted(environ, start_response):
    environ["wsgi.early_hints"]([("Link", "</a.css>; rel=preload")])
    return echo(environ, start_response)


def forks(environ, start_response):
    """Leaves a child that has a copy of the client's socket."""
    if os.fork() == 0:
        time.sleep(1000)
        os._exit(0)
    return echo(environ, start_response)


def ignore(environ, start_response):
    """Answers without reading the body."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"never mind"]


def stream(environ, start_response):
    """Goes on when the file in the query exists."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"one"
    while not os.path.exists(environ["QUERY_STRING"]):
        time.sleep(0.01)
    yield b"two"


def write(environ, start_response):
    send = start_response("200 OK", [("Content-Type", "text/plain")])
    send(b"one ")
    send(b"two ")
    return [b"three"]


def blocks(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ab"] * 5000


def quick(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return iter([b"block"] * 10)


def breaks(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"part"
    raise RuntimeError("broken on the way")


def replaced(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    try:
        raise RuntimeError
    except RuntimeError:
        start_response("503 Later", [("Content-Type", "text/plain")], sys.exc_info())
    return [b"later"]


def short(environ, start_response):
    """Declares a longer body than it returns."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "9")])
    return [b"short"]


def file(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return environ["wsgi.file_wrapper"](open(environ["QUERY_STRING"], "rb"))


def output(environ, start_response):
    """Returns the output of another process."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    command = ["/bin/sh", "-c", "printf 'said by '; printf 'another process'"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    return environ["wsgi.file_wrapper"](process.stdout)


def nothing(environ, start_response):
    start_response("204 No Content", [])
    return []


def scheme(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{environ['wsgi.url_scheme']} {environ['SCRIPT_NAME']}".encode()]


PAGES = {
    "/echo": echo,
    "/digest": digest,
    "/hinted": hinted,
    "/forks": forks,
    "/ignore": ignore,
    "/stream": stream,
    "/write": write,
    "/blocks": blocks,
    "/quick": quick,
    "/breaks": breaks,
    "/replaced": replaced,
    "/short": short,
    "/file": file,
    "/output": output,
    "/nothing": nothing,
    "/scheme": scheme,
}

app = validator(plain)
