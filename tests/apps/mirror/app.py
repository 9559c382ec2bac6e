"""Answers with the request, as JSON."""

import json
from urllib.parse import unquote_to_bytes

FIELDS = ("CONTENT_TYPE", "CONTENT_LENGTH")


def app(environ, start_response):
    body = environ["wsgi.input"].read()
    fields = {
        name: value
        for name, value in environ.items()
        if name.startswith("HTTP_") or name in FIELDS
    }
    peer = {
        name: value
        for name, value in environ.items()
        if name.startswith(("SSL_", "PROXY_", "REMOTE_"))
    }
    answer = {
        "method": environ["REQUEST_METHOD"],
        "target": environ["RAW_URI"],
        "path": environ["PATH_INFO"],
        "query": environ["QUERY_STRING"],
        "protocol": environ["SERVER_PROTOCOL"],
        "scheme": environ["wsgi.url_scheme"],
        "request_id": environ.get("REQUEST_ID"),
        "fields": fields,
        "peer": peer,
        "body": body.decode("latin-1"),
    }
    page = json.dumps(answer).encode()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [page]


async def aapp(scope, receive, send):
    """The same for ASGI, which does not have the target as it was sent."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message.get("body", b"")
        more = message.get("more_body", False)
    fields = {}
    for name, value in scope["headers"]:
        key = name.decode("latin-1").upper().replace("-", "_")
        key = key if key in FIELDS else f"HTTP_{key}"
        value = value.decode("latin-1")
        fields[key] = f"{fields[key]},{value}" if key in fields else value
    # Over a unix socket there is none.
    address, port = scope["client"] or ("", 0)
    target = scope["raw_path"] + b"?" + scope["query_string"]
    answer = {
        "method": scope["method"],
        "target": target.removesuffix(b"?").decode("latin-1"),
        "path": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "query": scope["query_string"].decode("latin-1"),
        "protocol": f"HTTP/{scope['http_version']}",
        "scheme": scope["scheme"],
        "peer": {"REMOTE_ADDR": address, "REMOTE_PORT": str(port)},
        "fields": fields,
        "body": body.decode("latin-1"),
    }
    page = json.dumps(answer).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(page)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": page})
