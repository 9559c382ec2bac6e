"""A WSGI app; while it waits, gevent serves other requests."""

import socket
import threading
import time


def app(environ, start_response):
    answer = PAGES[environ["PATH_INFO"]](environ)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return answer


def hello(environ):
    return [b"Hello, world!"]


def echo(environ):
    return [environ["wsgi.input"].read()]


def sleep(environ):
    time.sleep(1)
    return [b"slept"]


def stream(environ):
    return (b"x" * 65536 for _ in range(200))


def patched(environ):
    own = [socket.socket.__module__, str(environ["wsgi.multithread"])]
    own.append(type(threading.current_thread()).__name__)
    return [" ".join(own).encode()]


PAGES = {"/": hello, "/echo": echo, "/sleep": sleep, "/stream": stream, "/patched": patched}
