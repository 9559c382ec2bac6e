"""Small helpers that config files and workers import."""

import importlib
import os
import socket
import sys
import traceback


def load_class(uri, default="gunicorn.workers.sync.SyncWorker", section="gunicorn.workers"):
    """The class that a dotted name means."""
    if not isinstance(uri, str):
        return uri
    module, dot, name = uri.rpartition(".")
    if not dot:
        module, name = {
            "simple": ("gunicorn.glogging", "Logger"),
        }.get(uri, ("gunicorn.workers", uri))
        if module == "gunicorn.workers":
            from gunicorn import workers

            return workers.named(uri)
    return getattr(importlib.import_module(module), name)


def import_app(module):
    """The app that an APP_MODULE names."""
    from _rgunicorn.app import load

    return load(module)


def parse_address(netloc, default_port="8000"):
    """An address of the setting `bind`, as the socket module has it."""
    if isinstance(netloc, bytes):
        netloc = netloc.decode()
    if netloc.startswith("unix:"):
        return netloc.removeprefix("unix:").removeprefix("//")
    if netloc.startswith("fd://"):
        return int(netloc.removeprefix("fd://"))
    netloc = netloc.removeprefix("tcp://")
    host, _, port = netloc.rpartition(":")
    if not host and not netloc.startswith(":") or netloc.endswith("]"):
        host, port = netloc, default_port
    try:
        return host.strip("[]").lower() or "0.0.0.0", int(port)
    except ValueError:
        raise RuntimeError(f"{port!r} is not a valid port number.") from None


def getcwd():
    """The current folder, as the shell names it where it can."""
    named = os.environ.get("PWD")
    real = os.getcwd()
    return named if named and os.path.realpath(named) == real else real


def chdir(path):
    os.chdir(path)
    if path not in sys.path:
        sys.path.insert(0, path)


def is_ipv6(address):
    try:
        socket.inet_pton(socket.AF_INET6, address)
    except (ValueError, OSError):
        return False
    return True


def to_bytestring(value, encoding="utf8"):
    return value if isinstance(value, bytes) else value.encode(encoding)


def bytes_to_str(value):
    return value if isinstance(value, str) else value.decode("latin1")


def close_on_exec(fd):
    os.set_inheritable(fd, False)


def set_non_blocking(fd):
    os.set_blocking(fd, False)


def close(sock):
    try:
        sock.close()
    except OSError:
        pass


def http_date(timestamp=None):
    from email.utils import formatdate

    return formatdate(timestamp, localtime=False, usegmt=True)


def reraise(kind, value, trace=None):
    raise (value if value is not None else kind()).with_traceback(trace)


def warn(message):
    print(f"\n!!! WARNING: {message}\n", file=sys.stderr)


def format_traceback():
    return traceback.format_exc()
