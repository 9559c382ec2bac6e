"""Almost no app, to measure the server itself: one page for each kind of response."""

LARGE = b"x" * 100_000
BLOCKS = [b"y" * 1000] * 10


def app(environ, start_response):
    return PAGES[environ["PATH_INFO"]](environ, start_response)


def hello(environ, start_response):
    body = b"Hello, world!\n"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "14")])
    return [body]


def echo(environ, start_response):
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def large(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "100000")])
    return [LARGE]


def stream(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return iter(BLOCKS)


PAGES = {"/": hello, "/echo": echo, "/large": large, "/stream": stream}
