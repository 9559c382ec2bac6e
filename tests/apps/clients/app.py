"""An app for tests of clients."""

import hashlib


def app(environ, start_response):
    return PAGES[environ["PATH_INFO"]](environ, start_response)


def plain(body, start_response, status="200 OK", fields=()):
    length = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    start_response(status, [*length, *fields])
    return [body]


def hello(environ, start_response):
    return plain(b"hello", start_response)


def digest(environ, start_response):
    """The method, size and SHA-256 of the request."""
    sha, size = hashlib.sha256(), 0
    while block := environ["wsgi.input"].read(65536):
        sha.update(block)
        size += len(block)
    text = f"{environ['REQUEST_METHOD']} {size} {sha.hexdigest()}"
    return plain(text.encode(), start_response)


def stream(environ, start_response):
    """A million bytes in blocks, without a Content-Length."""
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return (bytes([number]) * 10_000 for number in range(100))


def moved(environ, start_response):
    field = ("Location", "/digest")
    return plain(b"", start_response, "307 Temporary Redirect", [field])


def cookie(environ, start_response):
    body = environ.get("HTTP_COOKIE", "none").encode()
    return plain(body, start_response, fields=[("Set-Cookie", "a=b; Path=/")])


def nothing(environ, start_response):
    start_response("204 No Content", [])
    return []


def peer(environ, start_response):
    names = ["REMOTE_ADDR", "REMOTE_PORT", "wsgi.url_scheme", "HTTP_HOST"]
    text = " ".join(str(environ.get(name)) for name in names)
    return plain(text.encode(), start_response)


PAGES = {
    "/": hello,
    "/digest": digest,
    "/stream": stream,
    "/moved": moved,
    "/cookie": cookie,
    "/nothing": nothing,
    "/peer": peer,
}
