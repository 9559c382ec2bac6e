"""A minimal app, with a few slow and wrong pages."""

import os
import subprocess
import time


def application(environ, start_response):
    handler = PAGES.get(environ["PATH_INFO"], hello)
    body = handler(environ)
    start_response(
        "200 OK",
        [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))],
    )
    return [body]


def hello(environ):
    return b"Hello, world!\n"


def pid(environ):
    return str(os.getpid()).encode()


def variable(environ):
    return os.environ.get(environ["QUERY_STRING"], "unset").encode()


def peer(environ):
    return f"{environ['REMOTE_ADDR']} {environ['SERVER_PROTOCOL']}".encode()


def echo(environ):
    return environ["wsgi.input"].read()


def slow(environ):
    """Reports that it begins, then waits."""
    print("slow request begins", file=environ["wsgi.errors"], flush=True)
    time.sleep(float(environ["QUERY_STRING"]))
    return b"slow but done\n"


def orphan(environ):
    """Leaves an orphan process."""
    subprocess.run(["sh", "-c", "sleep 1 &"], check=True)
    return b"left behind"


def broken(environ):
    raise RuntimeError("this page is broken")


PAGES = {
    "/pid": pid,
    "/variable": variable,
    "/peer": peer,
    "/echo": echo,
    "/slow": slow,
    "/orphan": orphan,
    "/broken": broken,
}
