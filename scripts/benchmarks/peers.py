"""The servers, each with the settings that its own documentation recommends for speed:
one worker process, no access log, only the version of HTTP that is measured if that can
be set."""

import dataclasses
import pathlib

BENCHMARKS = pathlib.Path(__file__).resolve().parent
APPS = BENCHMARKS / "apps"


@dataclasses.dataclass(frozen=True)
class Contender:
    name: str
    command: list[str]
    # Ours and the bare loop are compared with the others, not among themselves.
    peer: bool = True


def wsgi(server, venv, peers, module, port):
    """All servers of the WSGI app `app` in this module."""
    ours = [server, "--venv", venv, "--bind", f"127.0.0.1:{port}", f"{module}:app"]
    gunicorn = [f"{peers}/gunicorn", "--bind", f"127.0.0.1:{port}", f"{module}:app"]
    python = [f"{peers}/python", "-c"]
    return [
        Contender("rgunicorn sync", ours, peer=False),
        Contender("rgunicorn sync, access log", [*ours, "--access-logfile", "access.log"], peer=False),
        Contender("rgunicorn gthread", [*ours, "-k", "gthread", "--threads", "4"], peer=False),
        Contender("gunicorn sync", gunicorn),
        Contender("gunicorn gthread", [*gunicorn, "-k", "gthread", "--threads", "4"]),
        # One blocking thread is its own default for WSGI with the GIL.
        Contender("granian", [
            f"{peers}/granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
            "--blocking-threads", "1", "--runtime-mode", "st", "--http", "1", "--no-ws", "--backlog", "2048",
            "--log-level", "warning", f"{module}:app",
        ]),
        Contender("bjoern", [*python, f"import bjoern, {module}; bjoern.run({module}.app, '127.0.0.1', {port})"]),
        Contender("fastpysgi", [
            *python, f"import fastpysgi, {module}; fastpysgi.run({module}.app, '127.0.0.1', {port}, 0, 1)",
        ]),
        # Its only keep-alive without a second process in front, http11-socket, lets one
        # connection occupy the process.
        Contender("uwsgi", [
            f"{peers}/uwsgi", "--http-socket", f"127.0.0.1:{port}", "--wsgi", f"{module}:app", "--processes", "1",
            "--disable-logging", "--listen", "1024", "--die-on-term", "--need-app",
        ]),
    ]


def asgi(server, venv, peers, module, port):
    """All servers of the ASGI app `app` in this module."""
    address = f"127.0.0.1:{port}"
    return [
        Contender("rgunicorn asgi", [
            server, "--venv", venv, "-k", "asgi", "--bind", address, f"{module}:app",
        ], peer=False),
        Contender("uvicorn", [
            f"{peers}/uvicorn", "--host", "127.0.0.1", "--port", str(port), "--loop", "uvloop", "--http", "httptools",
            "--no-access-log", "--log-level", "warning", "--backlog", "2048", f"{module}:app",
        ]),
        Contender("granian", [
            f"{peers}/granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
            "--loop", "uvloop", "--runtime-mode", "st", "--http", "1", "--backlog", "2048", "--log-level", "warning",
            f"{module}:app",
        ]),
        Contender("hypercorn", [
            f"{peers}/hypercorn", "--bind", address, "-k", "uvloop", "--workers", "1", "--log-level", "warning",
            "--backlog", "2048", f"{module}:app",
        ]),
        Contender("gunicorn asgi", [
            f"{peers}/gunicorn", "-k", "asgi", "--bind", address, "--log-level", "warning", f"{module}:app",
        ]),
    ]


def http2(server, venv, peers, page, port, tls=None):
    """All servers of this page over HTTP/2, in clear text or with `tls`, the files of a
    certificate and its key. `page` has the protocol and the module of the app, and
    `static`, the folder with the same answers as files."""
    module, address = f"{page.module}:app", f"127.0.0.1:{port}"
    certificate, key = tls or (None, None)

    def secured(certificate_option, key_option):
        return [certificate_option, certificate, key_option, key] if tls else []

    ours = [server, "--venv", venv, "--bind", address, module]
    ours += secured("--certfile", "--keyfile") or ["--http2-cleartext", "prior-knowledge"]
    kinds = {"wsgi": {"sync": [], "gthread": ["-k", "gthread", "--threads", "4"]}, "asgi": {"asgi": ["-k", "asgi"]}}
    granian = {"wsgi": ["--blocking-threads", "1", "--no-ws"], "asgi": ["--loop", "uvloop"]}[page.protocol]
    plain = [] if tls else ["--no-tls"]
    return [
        *(Contender(f"rgunicorn {kind}", [*ours, *words], peer=False) for kind, words in kinds[page.protocol].items()),
        Contender("granian", [
            f"{peers}/granian", "--interface", page.protocol, "--host", "127.0.0.1", "--port", str(port),
            "--workers", "1", "--runtime-mode", "st", "--http", "2", *granian, "--backlog", "2048", "--log-level",
            "warning", *secured("--ssl-certificate", "--ssl-keyfile"), module,
        ]),
        Contender("peregrine", [
            f"{peers}/peregrine", "--host", "127.0.0.1", "--port", str(port), "--protocol", page.protocol,
            "--log-level", "error", *secured("--tls-cert", "--tls-key"), module,
        ]),
        Contender("hypercorn", [
            f"{peers}/hypercorn", "--bind", address, "-k", "uvloop", "--workers", "1", "--log-level", "warning",
            "--backlog", "2048", *secured("--certfile", "--keyfile"),
            f"{'wsgi:' if page.protocol == 'wsgi' else ''}{module}",
        ]),
        # It calls no app: it sends files.
        Contender("nghttpd, static", [
            "nghttpd", "--address", "127.0.0.1", "--htdocs", str(page.static), *plain, str(port),
            *([key, certificate] if tls else []),
        ], peer=False),
    ]


def bare(program, port):
    """The loop that answers without parsing: the cost of the system calls."""
    return Contender("bare epoll loop", [program, str(port)], peer=False)
