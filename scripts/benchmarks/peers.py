"""The servers, each with the settings that its own documentation recommends for speed:
one worker process, no access log, only the version of HTTP that is measured if that can
be set."""

import dataclasses
import pathlib
import typing

BENCHMARKS = pathlib.Path(__file__).resolve().parent
APPS = BENCHMARKS / "apps"

THREADS = ["-k", "gthread", "--threads", "4"]
OUR_KINDS = {
    "wsgi": {"sync": [], "gthread": THREADS},
    "asgi": {"asgi": ["-k", "asgi"]},
}


class Programs(typing.NamedTuple):
    """Absolute paths: this server, the virtual environment of its Python, and that of
    the host's Python."""

    server: str
    venv: str
    peers: str

    @classmethod
    def of(cls, options):
        return cls(*(str(getattr(options, name).resolve()) for name in cls._fields))


@dataclasses.dataclass(frozen=True)
class Contender:
    """A server. `command` makes its command line for a port, and `files` the files that
    it needs in its folder."""

    name: str
    command: typing.Callable[[int], list[str]]
    # "ours", "peer", or "floor" for what calls no app.
    kind: str = "peer"
    # Only these pages; all if there are none.
    pages: tuple[str, ...] = ()
    files: typing.Callable[[int], dict[str, str]] = lambda port: {}


def wsgi(programs, module):
    """All servers of the WSGI app `app` in this module."""
    app = f"{module}:app"
    peers = f"{programs.peers}/bin"
    python = [f"{peers}/python", "-c"]
    return [
        *ours(programs, "wsgi", app),
        Contender(
            "rgunicorn sync, access log",
            lambda port: our_command(programs, app, port, "--access-logfile", "access.log"),
            "ours", ("hello",),
        ),
        Contender("gunicorn sync", lambda port: gunicorn(peers, app, port)),
        Contender("gunicorn gthread", lambda port: gunicorn(peers, app, port, *THREADS)),
        behind_nginx("gunicorn gthread", peers, app, *THREADS),
        # One blocking thread is its own default for WSGI with the GIL.
        Contender("granian", lambda port: granian(peers, "wsgi", app, port, "--http", "1", "--no-ws")),
        Contender("peregrine", lambda port: peregrine(peers, "wsgi", app, port, "--no-http2")),
        Contender(
            "bjoern", lambda port: [*python, f"import bjoern, {module}; bjoern.run({module}.app, '127.0.0.1', {port})"],
        ),
        Contender("fastpysgi", lambda port: [
            *python, f"import fastpysgi, {module}; fastpysgi.run({module}.app, '127.0.0.1', {port}, 0, 1)",
        ]),
        # Its only keep-alive without a second process in front, http11-socket, lets one
        # connection occupy the process.
        Contender("uwsgi", lambda port: [
            f"{peers}/uwsgi", "--http-socket", f"127.0.0.1:{port}", "--wsgi", app, "--processes", "1",
            "--disable-logging", "--listen", "1024", "--die-on-term", "--need-app",
        ]),
        Contender("caddysnake", lambda port: caddysnake(programs, "wsgi", app, port)),
    ]


def asgi(programs, module):
    """All servers of the ASGI app `app` in this module."""
    app = f"{module}:app"
    peers = f"{programs.peers}/bin"
    return [
        *ours(programs, "asgi", app),
        Contender("uvicorn, httptools", lambda port: uvicorn(peers, app, port, "--http", "httptools")),
        Contender("uvicorn, zttp", lambda port: uvicorn(peers, app, port, "--http", "zttp")),
        Contender("granian", lambda port: granian(peers, "asgi", app, port, "--http", "1")),
        Contender("peregrine", lambda port: peregrine(peers, "asgi", app, port, "--no-http2")),
        Contender("h2corn", lambda port: h2corn(peers, app, port)),
        Contender("hypercorn", lambda port: hypercorn(peers, app, port)),
        Contender("gunicorn asgi", lambda port: gunicorn(peers, app, port, "-k", "asgi")),
        behind_nginx("gunicorn asgi", peers, app, "-k", "asgi"),
        Contender("caddysnake", lambda port: caddysnake(programs, "asgi", app, port)),
    ]


def http2(programs, page, tls=None):
    """All servers of this page over HTTP/2, in clear text or with `tls`, the files of a
    certificate and its key. `page` has the protocol and the module of the app, and
    `static`, the folder with the same answers as files."""
    protocol, app, peers = page.protocol, f"{page.module}:app", f"{programs.peers}/bin"
    certificate, key = tls or (None, None)

    def secured(certificate_option, key_option):
        return [certificate_option, certificate, key_option, key] if tls else []

    common = secured("--certfile", "--keyfile")
    only_asgi = [
        Contender("uvicorn, zttp", lambda port: uvicorn(
            peers, app, port, "--http", "zttp", "--http2", *secured("--ssl-certfile", "--ssl-keyfile"),
        )),
        Contender("h2corn", lambda port: h2corn(peers, app, port, "--no-http1", *common)),
    ]
    return [
        *ours(programs, protocol, app, *(common or ["--http2-cleartext", "prior-knowledge"])),
        Contender("granian", lambda port: granian(
            peers, protocol, app, port, "--http", "2", *(["--no-ws"] if protocol == "wsgi" else []),
            *secured("--ssl-certificate", "--ssl-keyfile"),
        )),
        Contender("peregrine", lambda port: peregrine(peers, protocol, app, port, *secured("--tls-cert", "--tls-key"))),
        *(only_asgi if protocol == "asgi" else []),
        Contender("hypercorn", lambda port: hypercorn(
            peers, f"{'wsgi:' if protocol == 'wsgi' else ''}{app}", port, *common,
        )),
        # It calls no app: it sends files.
        Contender("nghttpd, static", lambda port: [
            "nghttpd", "--address", "127.0.0.1", "--htdocs", str(page.static),
            *([str(port), key, certificate] if tls else ["--no-tls", str(port)]),
        ], "floor"),
    ]


def bare(program):
    """The loop that answers without parsing: the cost of the system calls. It has only
    one answer."""
    return Contender("bare epoll loop", lambda port: [program, str(port)], "floor", ("hello",))


def ours(programs, protocol, app, *settings):
    for kind, words in OUR_KINDS[protocol].items():
        yield Contender(
            f"rgunicorn {kind}", lambda port, words=words: our_command(programs, app, port, *words, *settings), "ours",
        )


def our_command(programs, app, port, *words):
    return [programs.server, "--venv", programs.venv, "--bind", f"127.0.0.1:{port}", *words, app]


def gunicorn(peers, app, port, *words):
    return [f"{peers}/gunicorn", "--bind", f"127.0.0.1:{port}", "--log-level", "warning", *words, app]


def behind_nginx(name, peers, app, *words):
    """Gunicorn at a Unix socket, and nginx in front of it, with connections that are kept
    between the two. Both are one tree of processes."""
    behind = " ".join([f"{peers}/gunicorn", "--bind", "unix:gunicorn.sock", "--log-level", "warning", *words, app])
    return Contender(
        f"nginx, {name}",
        lambda port: ["/bin/sh", "-c", f'nginx -p "$PWD" -e stderr -c nginx.conf & exec {behind}'],
        files=lambda port: {"nginx.conf": (BENCHMARKS / "nginx.conf").read_text().replace("PORT", str(port))},
    )


def granian(peers, protocol, app, port, *words):
    kind = {"wsgi": ["--blocking-threads", "1"], "asgi": ["--loop", "uvloop"]}[protocol]
    return [
        f"{peers}/granian", "--interface", protocol, "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        *kind, "--runtime-mode", "st", "--backlog", "2048", "--log-level", "warning", *words, app,
    ]


def peregrine(peers, protocol, app, port, *words):
    return [
        f"{peers}/peregrine", "--host", "127.0.0.1", "--port", str(port), "--protocol", protocol,
        "--log-level", "error", *words, app,
    ]


def uvicorn(peers, app, port, *words):
    return [
        f"{peers}/uvicorn", "--host", "127.0.0.1", "--port", str(port), "--loop", "uvloop", "--no-access-log",
        "--log-level", "warning", "--backlog", "2048", *words, app,
    ]


def h2corn(peers, app, port, *words):
    return [
        f"{peers}/h2corn", "--host", "127.0.0.1", "--port", str(port), "--loop", "uvloop", "--no-access-log",
        "--backlog", "2048", *words, app,
    ]


def hypercorn(peers, app, port, *words):
    return [
        f"{peers}/hypercorn", "--bind", f"127.0.0.1:{port}", "-k", "uvloop", "--workers", "1", "--log-level", "warning",
        "--backlog", "2048", *words, app,
    ]


def caddysnake(programs, protocol, app, port):
    # It needs Python 3.12 or newer, so it has the Python of this server.
    return [
        f"{programs.venv}/bin/caddysnake", "--server-type", protocol, "--app", app, "--listen", f"127.0.0.1:{port}",
        "--workers", "1", "--python-path", f"{programs.venv}/bin/python",
        *(["--runtime", "uvloop"] if protocol == "asgi" else []),
    ]
