"""Small functions that config files and workers import."""

import importlib
import inspect
import os
import pwd
import re
import socket
import sys
import time
import urllib.parse
from os import closerange

from gunicorn.errors import AppImportError
from gunicorn.workers import SUPPORTED_WORKERS

REDIRECT_TO = os.devnull
GLOB_MAGIC_RE = re.compile(r"[*?[]")

# Fields that only the server may send.
hop_headers = {
    "connection",
    "date",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "server",
    "te",
    "trailers",
    "transfer-encoding",
    "upgrade",
}

positionals = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
)


# Finding things by name


def load_entry_point(distribution, group, name):
    from importlib import metadata

    for entry_point in metadata.distribution(distribution).entry_points:
        if (entry_point.group, entry_point.name) == (group, name):
            return entry_point.load()
    raise ImportError(f"Entry point {(group, name)!r} not found")


def load_class(uri, default="gunicorn.workers.sync.SyncWorker", section="gunicorn.workers"):
    """The class of a dotted name, a short name or `egg:package#name`."""
    if inspect.isclass(uri):
        return uri
    try:
        if uri.startswith("egg:"):
            distribution, _, name = uri.removeprefix("egg:").partition("#")
            if distribution != "gunicorn":
                return load_entry_point(distribution, section, name or default)
            uri = name or default
        module, _, name = SUPPORTED_WORKERS.get(uri.lstrip("#"), uri).rpartition(".")
        if not module:
            return load_entry_point("gunicorn", section, name)
        module = importlib.import_module(module)
    except Exception as error:
        raise RuntimeError(f"class uri {uri!r} invalid or not found: {error}") from error
    return getattr(module, name)


def import_app(module):
    """The app that an APP_MODULE names."""
    from _rgunicorn.app import load

    return load(module)


def get_arity(f):
    return sum(one.kind in positionals for one in inspect.signature(f).parameters.values())


def is_glob_pattern(value):
    return GLOB_MAGIC_RE.search(value) is not None


# Processes and files


def get_username(uid):
    return pwd.getpwuid(uid).pw_name


def set_owner_process(uid, gid, initgroups=False):
    """Changes to another user and group; 0 changes nothing."""
    if gid:
        try:
            name = get_username(uid) if uid and initgroups else None
        except KeyError:
            name = None
        if name is not None:
            os.initgroups(name, gid)
        if gid != os.getgid():
            os.setgid(gid)
    if uid and uid != os.getuid():
        os.setuid(uid)


def chown(path, uid, gid):
    os.chown(path, uid, gid)


def unlink(filename):
    try:
        os.unlink(filename)
    except (FileNotFoundError, NotADirectoryError):
        pass


def check_is_writable(path):
    try:
        open(path, "a").close()
    except OSError as error:
        raise RuntimeError(f"Error: '{path}' isn't writable [{error!r}]") from error


def getcwd():
    """The current folder, with the name that the shell uses if possible."""
    named = os.environ.get("PWD")
    try:
        if named and os.path.samefile(named, "."):
            return named
    except OSError:
        pass
    return os.getcwd()


def daemonize(enable_stdio_inheritance=False):
    """Makes this process run in the background."""
    for step in (os.setsid, lambda: os.umask(0o22)):
        if os.fork():
            os._exit(0)
        step()
    null = os.open(REDIRECT_TO, os.O_RDWR)
    for stream in range(3):
        if not enable_stdio_inheritance or stream == 0 or os.isatty(stream):
            os.dup2(null, stream)
    if null > 2:
        os.close(null)


def seed():
    import random

    random.seed(os.urandom(64))


# Sockets


def is_ipv6(addr):
    try:
        socket.inet_pton(socket.AF_INET6, addr)
    except (ValueError, OSError):
        return False
    return True


def parse_address(netloc, default_port="8000"):
    """An address in the setting `bind`, in the form of the socket module."""
    if netloc.startswith("unix:"):
        return netloc.removeprefix("unix:").removeprefix("//")
    if netloc.startswith("fd://"):
        number = netloc.removeprefix("fd://")
        try:
            return int(number)
        except ValueError:
            raise RuntimeError(f"{number!r} is not a valid file descriptor.") from None
    netloc = netloc.removeprefix("tcp://") or "0.0.0.0"
    if "[" in netloc and "]" in netloc:
        host, port = netloc.split("]", 1)
        host = host[1:]
    else:
        host, colon, port = netloc.partition(":")
        port = colon + port
    port = port.split(":")[1] if port.startswith(":") else default_port
    try:
        return host.lower(), int(port)
    except ValueError:
        raise RuntimeError(f"{port!r} is not a valid port number.") from None


def close_on_exec(fd):
    os.set_inheritable(fd, False)


def set_non_blocking(fd):
    os.set_blocking(fd if isinstance(fd, int) else fd.fileno(), False)


def close(sock):
    try:
        sock.close()
    except OSError:
        pass


def close_graceful(sock, timeout=2.0, max_drain=65536):
    """Closes a connection so that the peer gets everything that was sent: ends the
    sending side, and reads what the peer sends meanwhile (RFC 9112 section 9.6)."""
    until = time.monotonic() + timeout
    try:
        sock.shutdown(socket.SHUT_WR)
        while max_drain > 0 and (left := until - time.monotonic()) > 0:
            sock.settimeout(left)
            data = sock.recv(4096)
            if not data:
                break
            max_drain -= len(data)
    except OSError:
        pass
    finally:
        close(sock)


def write_chunk(sock, data):
    if isinstance(data, str):
        data = data.encode()
    sock.sendall(b"%X\r\n%b\r\n" % (len(data), data))


def write(sock, data, chunked=False):
    if chunked:
        write_chunk(sock, data)
    else:
        sock.sendall(data)


def write_nonblock(sock, data, chunked=False):
    timeout = sock.gettimeout()
    sock.setblocking(False)
    try:
        write(sock, data, chunked)
    finally:
        sock.settimeout(timeout)


def write_error(sock, status_int, reason, mesg):
    import html

    body = (
        f"<html>\n  <head>\n    <title>{reason}</title>\n  </head>\n  <body>\n"
        f"    <h1><p>{reason}</p></h1>\n    {html.escape(mesg)}\n  </body>\n</html>\n"
    )
    head = (
        f"HTTP/1.1 {status_int} {reason}\r\nConnection: close\r\n"
        f"Content-Type: text/html\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    write_nonblock(sock, (head + body).encode("latin1"))


# Text and bytes


def http_date(timestamp=None):
    from email.utils import formatdate

    return formatdate(timestamp, localtime=False, usegmt=True)


def is_hoppish(header):
    return header.lower().strip() in hop_headers


def split_request_uri(uri):
    # Two slashes would begin a host.
    if uri.startswith("//"):
        parts = urllib.parse.urlsplit("." + uri)
        return parts._replace(path=parts.path[1:])
    return urllib.parse.urlsplit(uri)


def unquote_to_wsgi_str(string):
    return urllib.parse.unquote_to_bytes(string).decode("latin-1")


def to_bytestring(value, encoding="utf8"):
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a string")
    return value.encode(encoding)


def bytes_to_str(b):
    return b if isinstance(b, str) else str(b, "latin1")


def has_fileno(obj):
    try:
        obj.fileno()
    except (AttributeError, OSError):
        return False
    return True


# Errors


def reraise(tp, value, tb=None):
    raise (tp() if value is None else value).with_traceback(tb)


def warn(msg):
    first, *others = msg.splitlines() or [""]
    lines = [f"WARNING: {first}", *others]
    text = "".join(f"!!! {line}\n" for line in lines)
    print(f"!!!\n{text}!!!\n", file=sys.stderr, flush=True)


def make_fail_app(msg):
    body = to_bytestring(msg)

    def app(environ, start_response):
        fields = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
        start_response("500 Internal Server Error", fields)
        return [body]

    return app
