"""The loggers of uvicorn, as apps expect them that were written for it.

What an app says to `uvicorn.error` goes to the error log, as with uvicorn's worker
class. Where it has hung a handler to `uvicorn.access`, that gets a record of each
request. Without one, the filters of that logger say which lines the access log has.
"""

import sys
from urllib.parse import quote

ERROR, ACCESS = "uvicorn.error", "uvicorn.access"

# The message of a record, and its arguments: the client, the method, the path, the
# version of HTTP and the status.
LINE = '%s - "%s %s HTTP/%s" %d'


def attach(app):
    """Gives the loggers their meaning, if the app logs at all. Gives the app."""
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
    _heed_filters(access)
    return app


def _heed_filters(access):
    """Lets the access log have the lines that pass the filters of this logger, now
    and later."""
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
    """The record that uvicorn would make of a line of the access log; None if it
    cannot be told."""
    atoms = record.args
    if not isinstance(atoms, dict) or not {"h", "r", "s"} <= atoms.keys():
        return None
    method, _, rest = atoms["r"].partition(" ")
    path, _, protocol = rest.rpartition(" ")
    if not atoms["s"].isdigit():
        return None
    # The log does not know the client's port.
    args = (f"{atoms['h']}:0", method, path, protocol.removeprefix("HTTP/"), int(atoms["s"]))
    return access.makeRecord(access.name, record.levelno, __file__, 0, LINE, args, None)


def recorded(app, access):
    """The app, of whose requests the logger gets uvicorn's records."""

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
