"""The loggers of uvicorn, as apps expect them that were written for it.

What an app says to `uvicorn.error` goes to the error log, as with uvicorn's worker
class. Where it has hung a handler to `uvicorn.access`, that gets a record of each
request; without one, the server writes the access log by itself.
"""

import sys
from urllib.parse import quote

ERROR, ACCESS = "uvicorn.error", "uvicorn.access"


def attach(app, log):
    """Gives the loggers their meaning, if the app has them. Gives the app."""
    if "logging" not in sys.modules:
        return app
    import logging

    there = logging.root.manager.loggerDict
    error, access = there.get(ERROR), there.get(ACCESS)
    if isinstance(error, logging.Logger) and not error.hasHandlers():
        ours = logging.getLogger("gunicorn.error")
        error.handlers = ours.handlers
        error.propagate = False
        if error.level == logging.NOTSET:
            error.setLevel(ours.level)
    if not isinstance(access, logging.Logger):
        return app
    if access.handlers:
        return recorded(app, access)
    if access.filters:
        log(
            "warning",
            f"The logger '{ACCESS}' has a filter and no handler of the app's, so it sees no "
            "request: the server writes the access log by itself.",
        )
    return app


def recorded(app, access):
    """The app, of whose requests the logger gets uvicorn's records."""

    async def asgi(scope, receive, send):
        if scope["type"] != "http":
            return await app(scope, receive, send)

        async def send_and_note(message):
            await send(message)
            if message["type"] == "http.response.start":
                access.info(
                    '%s - "%s %s HTTP/%s" %d',
                    _client(scope),
                    scope["method"],
                    _path(scope),
                    scope["http_version"],
                    message["status"],
                )

        await app(scope, receive, send_and_note)

    return asgi


def _client(scope):
    return "%s:%d" % tuple(scope["client"]) if scope["client"] else ""


def _path(scope):
    path = quote(scope["path"])
    query = scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path
