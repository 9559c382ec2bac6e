"""What `reload` needs from the interpreter: the files that the running code comes from,
and an app to serve while the real one cannot be loaded."""

import glob
import os
import sys


def files(patterns):
    """The files of all modules outside of the standard library, and those that match
    the patterns."""
    modules = set()
    for module in list(sys.modules.values()):
        try:
            file = module.__file__
        except Exception:  # a lazy module may raise anything
            continue
        if isinstance(file, str) and not file.startswith(sys.base_prefix + "/"):
            modules.add(_source(file))
    fitting = {file for pattern in patterns for file in glob.glob(pattern, recursive=True)}
    return sorted(modules), sorted(fitting)


def _source(file):
    """The source file of a compiled module, if it exists."""
    source = file.removesuffix("c")
    return source if file.endswith(".pyc") and os.path.exists(source) else file


def failing_app(traceback):
    """An app for WSGI and ASGI that responds with the traceback."""
    body = traceback.encode("utf-8", "replace") + b"\n"
    fields = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]

    async def answer(scope, receive, send):
        if scope["type"] != "http":
            raise RuntimeError(traceback)
        headers = [(name.lower().encode(), value.encode()) for name, value in fields]
        await send({"type": "http.response.start", "status": 500, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def app(*arguments):
        if len(arguments) == 3:
            return answer(*arguments)
        _, start_response = arguments
        start_response("500 Internal Server Error", fields)
        return [body]

    return app
