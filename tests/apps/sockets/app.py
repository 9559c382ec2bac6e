"""WSGI apps that take over the client's socket."""

import fcntl
import os
import select
import socket
import sys
import threading
import time

SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n"


def app(environ, start_response):
    return PAGES[environ["PATH_INFO"]](environ, environ["gunicorn.socket"], start_response)


def page(start_response, text):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
    return [text.encode()]


def note(text):
    """Reports something to the test."""
    print(text, file=sys.stderr, flush=True)


def switch(sock):
    """Accepts the switch, and reports what an app can expect of a socket."""
    sock.sendall(SWITCHED)
    flags = fcntl.fcntl(sock.fileno(), fcntl.F_GETFL)
    blocks = sock.gettimeout() is None and bool(flags & os.O_NONBLOCK) == cooperates()
    sock.sendall(b"blocks " if blocks else b"does not block ")


def cooperates():
    return socket.socket.__module__.startswith("gevent")


def repeat(sock):
    """Echoes until the client closes its side, or says so."""
    while (block := sock.recv(65536)) not in (b"", b"end"):
        sock.sendall(block)


def hello(environ, sock, start_response):
    return page(start_response, "hello")


def seen(environ, sock, start_response):
    """Asks a socket that nobody uses."""
    text = f"{isinstance(sock, socket.socket)} {sock.family.name} {sock.type.name} {sock!r}"
    if sock.family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        nodelay = bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        peer = (environ["REMOTE_ADDR"], int(environ["REMOTE_PORT"]))
        text += f" {nodelay} {sock.getpeername() == peer}"
    return page(start_response, text)


def echo(environ, sock, start_response):
    """As simple-websocket does: the end is an exception."""
    switch(sock)
    repeat(sock)
    sock.close()
    raise StopIteration


def tail(environ, sock, start_response):
    """A view that also returns a response."""
    switch(sock)
    repeat(sock)
    return page(start_response, "this is not sent")


def handled(environ, sock, start_response):
    """Returns the value that Gunicorn's gevent worker knows as ALREADY_HANDLED."""
    switch(sock)
    return object()


def failing(environ, sock, start_response):
    switch(sock)
    raise RuntimeError("in the app")


def by_hand(environ, sock, start_response):
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nby hand")
    return []


def hint(environ, sock, start_response):
    """Writes an interim response itself, and returns the response as usual."""
    sock.sendall(b"HTTP/1.1 102 Processing\r\n\r\n")
    return page(start_response, "done")


def watch(environ, sock, start_response):
    """A stream that checks whether its client is still there."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    for _ in range(3):
        gone = bool(select.select([sock], [], [], 0)[0])
        yield str(gone).encode()


def late(environ, sock, start_response):
    """Takes over the socket in the middle of its response."""
    write = start_response("200 OK", [("Content-Length", "10")])
    write(b"first")
    sock.sendall(b"later")
    return []


def drop(environ, sock, start_response):
    sock.shutdown(socket.SHUT_RDWR)
    sock.close()
    return []


def copies(environ, sock, start_response):
    """A copy of the socket serves the client, and outlives the request."""
    copy = sock.dup()
    switch(copy)
    sock.close()
    copy.sendall(copy.recv(100))

    def outlive():
        try:
            got = copy.recv(100)
        except OSError:
            got = b""
        note(f"the copy got {got!r}")

    threading.Thread(target=outlive).start()
    return []


def kept(environ, sock, start_response):
    """A socket that was not used during its request."""
    KEPT.append(sock)
    return page(start_response, "kept")


def used_later(environ, sock, start_response):
    try:
        return page(start_response, str(KEPT.pop().recv(1)))
    except OSError as error:
        return page(start_response, f"{type(error).__name__} {error.errno}")


KEPT = []


def stay(environ, sock, start_response):
    """Ends when it is told to, and says goodbye."""
    switch(sock)
    repeat(sock)
    sock.sendall(b"goodbye")
    note("the app has ended in good order")
    raise StopIteration


def stuck(environ, sock, start_response):
    """Does not end, with or without the socket."""
    if "HTTP_UPGRADE" in environ:
        switch(sock)
    while True:
        time.sleep(1)


def block(environ, sock, start_response):
    """Sends more than any buffer holds, and counts what it gets."""
    switch(sock)
    data = bytes(range(256)) * 4096
    sender = threading.Thread(target=sock.sendall, args=[data * 8])
    sender.start()
    total, alike = 0, True
    while total < 8 * len(data):
        block = sock.recv(65536)
        start = total % len(data)
        alike = alike and (data + data)[start : start + len(block)] == block
        total += len(block)
    sender.join()
    sock.sendall(b"alike" if alike else b"not alike")
    raise StopIteration


def file(environ, sock, start_response):
    """Uses the socket as a file, and its options."""
    with sock.makefile("rwb") as stream:
        stream.write(SWITCHED)
        stream.flush()
        stream.write(stream.readline().upper())
    return []


def body(environ, sock, start_response):
    """Reads the body, and what follows it."""
    text = environ["wsgi.input"].read()
    sock.sendall(SWITCHED + text + b"|")
    sock.sendall(sock.recv(100))
    return []


PAGES = {f"/{name}": act for name, act in list(globals().items()) if callable(act)}
PAGES["/"] = hello
