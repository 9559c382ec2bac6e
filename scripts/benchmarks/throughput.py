"""CPU time, requests per second, latency and memory of the WSGI or the ASGI servers over
HTTP/1.1, with our own load generator as the client. turns.py says how they are compared."""

import dataclasses
import json
import pathlib

import peers
import turns
from server import load


@dataclasses.dataclass(frozen=True)
class Page:
    """A page that is requested."""

    title: str
    protocol: str
    module: str
    path: str = "/"
    body: int | str = 0  # bytes that are sent, or the file with them
    websocket: bool = False
    # Also with connections that are closed. Where the app takes nearly all of the time,
    # these would tell nothing else.
    closed: bool = True


# The JSON document of the pages that check one, of 4 KB.
ORDER = "order.json"

PAGES = {
    "hello": Page("hello world", "wsgi", "plain"),
    "echo": Page("1 KB echo", "wsgi", "plain", "/echo", 1024),
    "large": Page("100 KB answer", "wsgi", "plain", "/large"),
    "stream": Page("streamed answer, ten blocks", "wsgi", "plain", "/stream"),
    "flask": Page("Flask", "wsgi", "flask_hello"),
    "flask-shop": Page("Flask, a template and 20 queries", "wsgi", "flask_shop", closed=False),
    "flask-order": Page("Flask, 4 KB of JSON for pydantic", "wsgi", "flask_order", "/order", ORDER, closed=False),
    "django": Page("Django", "wsgi", "django_hello"),
    "django-shop": Page("Django, a template and 20 queries", "wsgi", "django_shop", closed=False),
    "asgi-hello": Page("ASGI hello world", "asgi", "plain_asgi"),
    "asgi-echo": Page("ASGI 1 KB echo", "asgi", "plain_asgi", "/echo", 1024),
    "asgi-large": Page("ASGI 100 KB answer", "asgi", "plain_asgi", "/large"),
    "asgi-stream": Page("ASGI streamed answer, ten blocks", "asgi", "plain_asgi", "/stream"),
    "websocket": Page("WebSocket echo", "asgi", "plain_asgi", websocket=True),
    "fastapi": Page("FastAPI with a pydantic model", "asgi", "fastapi_hello"),
    "fastapi-order": Page("FastAPI, 4 KB of JSON for pydantic", "asgi", "fastapi_order", "/order", ORDER, closed=False),
}


def main():
    options = parse_options()
    options.results.with_name(ORDER).write_text(order())
    turns.measure(groups(options), options)


def parse_options():
    parser = turns.options(__doc__.splitlines()[0])
    for name in ("load", "bare"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--protocol", choices=["wsgi", "asgi"], required=True)
    parser.add_argument("--connections", type=lambda text: [int(n) for n in text.split(",")], default=[1, 32, 512])
    options = parser.parse_args()
    if options.quick:
        options.connections, options.rounds, options.seconds = [32], 1, 0.3
    options.pages = {
        name: page for name, page in turns.named(PAGES, options.pages).items() if page.protocol == options.protocol
    }
    return options


def order():
    """An order that `apps/order.py` accepts."""
    lines = [
        {"sku": f"AB-{n}", "name": f"Product number {n}", "quantity": n, "price": f"{n}.95", "tags": ["new", "light blue"]}
        for n in range(1, 36)
    ]
    address = {"name": "Zoë Müller", "street": "Main Street 1", "postcode": "12345", "country": "DE"}
    return json.dumps({"number": 4711, "placed": "2026-11-25T12:00:00Z", "address": address, "lines": lines})


def groups(options):
    """One group for each app."""
    programs = peers.Programs.of(options)
    for module in dict.fromkeys(page.module for page in options.pages.values()):
        contenders = getattr(peers, options.protocol)(programs, module)
        if module == "plain":
            contenders.append(peers.bare(str(options.bare.resolve())))
        else:
            # What is measured only with a plain hello world.
            contenders = [it for it in contenders if not it.pages]
        yield turns.Group(contenders, [
            scenario(name, page, connections, kind, options)
            for name, page in options.pages.items() if page.module == module
            for connections in options.connections
            for kind in kinds(page, options)
        ])


def kinds(page, options):
    if page.websocket:
        return ["ws"]
    return ["keep", "close"] if page.closed and not options.quick else ["keep"]


def scenario(name, page, connections, kind, options):
    body = options.results.with_name(page.body) if isinstance(page.body, str) else page.body

    def send(server, count):
        done, errors, seconds, p50, p99, _ = load(options.load, server.port, connections, count, kind, page.path, body)
        return {"rate": done / seconds, "p50": p50 / 1e6, "p99": p99 / 1e6, "errors": errors}

    title = f"{page.title}, {connections} connection{'' if connections == 1 else 's'}"
    title += ", closed after each request" if kind == "close" else ", kept alive"
    return turns.Scenario(f"{name}/{connections}/{kind}", title, name, send, max(200, connections * 2))


if __name__ == "__main__":
    main()
