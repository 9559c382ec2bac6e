"""The same pages for WSGI and for ASGI, for tests of clients that speak HTTP/2.

A page gets what was asked, and returns its status, its fields, and the blocks of its
body. A block that is None means: wait a little, then go on.
"""

import asyncio
import hashlib
import os
import time
from types import SimpleNamespace

TEXT = ("content-type", "text/plain")


def hello(asked):
    return 200, [TEXT, ("content-length", "5")], [b"hello"]


def digest(asked):
    """The method, size and SHA-256 of the request."""
    text = f"{asked.method} {asked.size} {asked.sha.hexdigest()}"
    return 200, [TEXT], [text.encode()]


def stream(asked):
    """A million bytes in blocks, without a length."""
    return 200, [("content-type", "application/octet-stream")], (bytes([number]) * 10_000 for number in range(100))


def large(asked):
    """Five million bytes at once."""
    return 200, [TEXT, ("content-length", "5000000")], [b"0123456789" * 500_000]


def nothing(asked):
    return 204, [], []


def moved(asked):
    return 307, [("location", "/digest"), ("content-length", "0")], []


def cookie(asked):
    return 200, [TEXT, ("set-cookie", "a=b; Path=/"), ("set-cookie", "c=d; Path=/")], [asked.cookie.encode()]


def peer(asked):
    """How it was asked."""
    words = [asked.protocol, asked.scheme, asked.host, asked.address, asked.port]
    return 200, [TEXT], [" ".join(words).encode()]


def events(asked):
    """Server-sent events; the second one when the file in the query exists."""

    def blocks():
        yield b"data: one\n\n"
        while not os.path.exists(asked.query):
            yield None
        yield b"data: two\n\n"

    return 200, [("content-type", "text/event-stream")], blocks()


def document(asked):
    """A page with a hundred resources."""
    links = "".join(f'<link rel="stylesheet" href="/resource/{number}.css">' for number in range(50))
    images = "".join(f'<img src="/resource/{number}.svg">' for number in range(50))
    page = f'<!doctype html><title>page</title><link rel="icon" href="data:,">{links}{images}'
    return 200, [("content-type", "text/html")], [page.encode()]


def resource(asked):
    if asked.path.endswith(".css"):
        number = asked.path.rpartition("/")[2].partition(".")[0]
        return 200, [("content-type", "text/css")], [f"p{number} {{ color: red }}".encode()]
    picture = b'<svg xmlns="http://www.w3.org/2000/svg" width="7" height="7"/>'
    return 200, [("content-type", "image/svg+xml")], [picture]


PAGES = {
    "/": hello,
    "/digest": digest,
    "/stream": stream,
    "/large": large,
    "/nothing": nothing,
    "/moved": moved,
    "/cookie": cookie,
    "/peer": peer,
    "/events": events,
    "/page": document,
}


def page(asked):
    """The page of a request, whose body has been read into `asked.sha`."""
    return PAGES.get(asked.path, resource)(asked)


# As gRPC answers: the result is in the trailers.
RESULT = [("grpc-status", "0"), ("grpc-message", "fine")]


def wsgi(environ, start_response):
    if environ["PATH_INFO"] == "/trailers":
        environ["gunicorn.http2.send_trailers"](RESULT)
        start_response("200 OK", [])
        return [b"message"]
    asked = SimpleNamespace(
        method=environ["REQUEST_METHOD"],
        path=environ["PATH_INFO"],
        query=environ["QUERY_STRING"],
        protocol=environ["SERVER_PROTOCOL"],
        scheme=environ["wsgi.url_scheme"],
        host=environ["HTTP_HOST"],
        address=environ["REMOTE_ADDR"],
        port=environ.get("REMOTE_PORT", "none"),
        cookie=environ.get("HTTP_COOKIE", "none"),
        sha=hashlib.sha256(),
        size=0,
    )
    while block := environ["wsgi.input"].read(65536):
        asked.sha.update(block)
        asked.size += len(block)
    status, fields, blocks = page(asked)
    start_response(f"{status} -", fields)
    return blocks if isinstance(blocks, list) else waiting(blocks)


def waiting(blocks):
    for block in blocks:
        if block is None:
            time.sleep(0.01)
        else:
            yield block


async def asgi(scope, receive, send):
    match scope["type"]:
        case "http" if scope["path"] == "/trailers":
            await trailers(send)
        case "http":
            await http(scope, receive, send)
        case "websocket":
            await chat(scope, receive, send)
        case _:
            raise RuntimeError("no lifespan here")


async def http(scope, receive, send):
    fields = {name.decode(): value.decode() for name, value in scope["headers"]}
    # Over a unix socket there is none.
    address, port = scope["client"] or ("", 0)
    asked = SimpleNamespace(
        method=scope["method"],
        path=scope["path"],
        query=scope["query_string"].decode(),
        protocol=f"HTTP/{scope['http_version']}",
        scheme=scope["scheme"],
        host=fields["host"],
        address=address,
        port=str(port),
        cookie=fields.get("cookie", "none"),
        sha=hashlib.sha256(),
        size=0,
    )
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        asked.sha.update(message["body"])
        asked.size += len(message["body"])
        more = message["more_body"]
    status, fields, blocks = page(asked)
    headers = [(name.encode(), value.encode()) for name, value in fields]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    for block in blocks:
        if block is None:
            await asyncio.sleep(0.01)
        else:
            await send({"type": "http.response.body", "body": block, "more_body": True})
    await send({"type": "http.response.body"})


async def trailers(send):
    await send({"type": "http.response.start", "status": 200, "trailers": True})
    await send({"type": "http.response.body", "body": b"message"})
    result = [(name.encode(), value.encode()) for name, value in RESULT]
    await send({"type": "http.response.trailers", "headers": result})


ROOM = set()


async def chat(scope, receive, send):
    """Sends the version of HTTP first, and then each message to everybody."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": f"HTTP/{scope['http_version']}"})
    ROOM.add(send)
    while (message := await receive())["type"] != "websocket.disconnect":
        for other in list(ROOM):
            await other({"type": "websocket.send", "text": message["text"]})
    ROOM.discard(send)
