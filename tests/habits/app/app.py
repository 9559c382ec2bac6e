"""The apps that both servers serve."""

import logging
import os
import sys

TEXT = [("Content-Type", "text/plain")]


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/broken":
        raise RuntimeError("this page is broken")
    if path == "/errors":
        print("[app] WARNING a line of the app's own", file=environ["wsgi.errors"])
        environ["wsgi.errors"].write("no line end")
    if path == "/log":
        logging.getLogger("gunicorn.error").warning("a record %s", "of the app")
    if path == "/print":
        print("printed", flush=True)
        print("told", file=sys.stderr, flush=True)
    body = f"{environ['REQUEST_METHOD']} {path}\n"
    if path == "/environ":
        keys = ("SERVER_SOFTWARE", "REMOTE_ADDR", "wsgi.url_scheme", "SCRIPT_NAME", "own.key")
        body = "".join(f"{key}={environ.get(key)}\n" for key in keys)
        body += f"OWN={os.environ.get('OWN')} cwd={os.path.basename(os.getcwd())[:0]}\n"
    body = body.encode()
    start_response("200 OK", [*TEXT, ("Content-Length", str(len(body))), ("X-Said", "yes")])
    return [body]


def make(own):
    os.environ["OWN"] = own
    return app


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    body = f"{scope['method']} {scope['path']} {scope['root_path']}\n".encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
