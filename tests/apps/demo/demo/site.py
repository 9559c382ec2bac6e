"""The WSGI application: a response for each path."""

from . import files, page


def application(environ, start_response):
    """Answers GET and HEAD for the page and its style sheet (PEP 3333)."""
    if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
        return answer(
            start_response,
            "405 Method Not Allowed",
            "text/plain; charset=utf-8",
            b"This page can only be read.\n",
            [("Allow", "GET, HEAD")],
        )
    path = environ["PATH_INFO"]
    if path in ("", "/"):
        body = page.render(environ).encode()
        return answer(
            start_response,
            "200 OK",
            "text/html; charset=utf-8",
            body,
            [("Vary", "Accept-Language")],
        )
    if path == "/static/style.css":
        return answer(
            start_response,
            "200 OK",
            "text/css; charset=utf-8",
            files.read("static/style.css"),
            [("Cache-Control", "max-age=60")],
        )
    return answer(
        start_response,
        "404 Not Found",
        "text/plain; charset=utf-8",
        b"There is nothing at this address.\n",
    )


def answer(start_response, status, content_type, body, more=()):
    start_response(
        status,
        [("Content-Type", content_type), ("Content-Length", str(len(body))), *more],
    )
    return [body]
