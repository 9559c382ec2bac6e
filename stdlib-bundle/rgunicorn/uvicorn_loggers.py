"""The loggers of uvicorn, for apps that were written for it.

As with uvicorn's worker class, messages for `uvicorn.error` go to the error log. If the
app has added a handler to `uvicorn.access`, the handler gets a record of each request.
Without a handler, the filters of that logger select the lines of the access log.
"""

import sys
from urllib.parse import quote

ERROR, ACCESS = "uvicorn.error", "uvicorn.access"

# The message of a record, and its arguments: the client, the method, the path, the
# version of HTTP and the status.
LINE = '%s - "%s %s HTTP/%s" %d'


def attach(app):
    """Connects the loggers, if the app uses logging. Returns the app."""
    if "logging" not in sys.modules:
        return app
    import logging

    error, access = logging.getLogger(ERROR), logging.getLogger(ACCESS)
    ours = logging.getLogger("gunicorn.error")
    if not error.hasHandlers():
        error.handlers = ours.handlers
    for log in (error, access):
        if log.handlers:
            log.propagate = False
            if log.level == logging.NOTSET:
                log.setLevel(ours.level)
    if access.handlers:
        return recorded(app, access)
    _apply_filters(access)
    return app


def _apply_filters(access):
    """Applies the filters of this logger to the access log, also filters that are added
    later."""
    import logging

    from _rgunicorn import watching

    ours = logging.getLogger("gunicorn.access")

    def passes(record):
        theirs = _uvicorns(access, record)
        return theirs is None or bool(access.filter(theirs))

    def heed():
        if access.filters and passes not in ours.filters:
            ours.addFilter(passes)

    watching.watch(access, ["filters"], heed)


def _uvicorns(access, record):
    """The record that uvicorn would make for a line of the access log; None if that is
    not possible."""
    atoms = record.args
    if not isinstance(atoms, dict) or not {"h", "r", "s"} <= atoms.keys():
        return None
    method, _, rest = atoms["r"].partition(" ")
    path, _, protocol = rest.rpartition(" ")
    if not atoms["s"].isdigit():
        return None
    # The log does not have the client's port.
    args = (f"{atoms['h']}:0", method, path, protocol.removeprefix("HTTP/"), int(atoms["s"]))
    return access.makeRecord(access.name, record.levelno, __file__, 0, LINE, args, None)


def recorded(app, access):
    """The app; for its requests the logger gets records as uvicorn makes them."""

    async def asgi(scope, receive, send):
        if scope["type"] != "http":
            return await app(scope, receive, send)

        async def send_and_note(message):
            await send(message)
            if message["type"] == "http.response.start":
                access.info(
                    LINE,
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
