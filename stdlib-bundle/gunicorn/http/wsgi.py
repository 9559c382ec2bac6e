"""The environ of a request, and its response (PEP 3333)."""

import io
import logging
import os
import re
import sys

from gunicorn import SERVER, SERVER_SOFTWARE, util
from gunicorn.http.errors import (
    ConfigurationProblem,
    InvalidResponseHeader,
    InvalidResponseHeaderName,
)
from gunicorn.http.message import TOKEN_RE

BLKSIZE = 0x3FFFFFFF
HEADER_VALUE_RE = re.compile(r"[ \t\x21-\x7e\x80-\xff]*")
STATUS_RE = re.compile(r"[0-9]{3}(?: [ \t\x21-\x7e\x80-\xff]*)?")

log = logging.getLogger(__name__)


class FileWrapper:
    def __init__(self, filelike, blksize=8192):
        self.filelike = filelike
        self.blksize = blksize
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self):
        return self

    def __next__(self):
        data = self.filelike.read(self.blksize)
        if not data:
            raise StopIteration
        return data

    def __getitem__(self, key):
        try:
            return next(self)
        except StopIteration:
            raise IndexError(key) from None


class WSGIErrorsWrapper(io.RawIOBase):
    """Writes to the error log."""

    def __init__(self, cfg):
        handlers = logging.getLogger("gunicorn.error").handlers
        self.streams = [handler.stream for handler in handlers if hasattr(handler, "stream")]
        if cfg.errorlog == "-":
            self.streams[:1] = [sys.stderr]

    def write(self, data):
        for stream in self.streams:
            stream.write(data)
            stream.flush()


def base_environ(cfg):
    return {
        "wsgi.errors": WSGIErrorsWrapper(cfg),
        "wsgi.version": (1, 0),
        "wsgi.multithread": False,
        "wsgi.multiprocess": cfg.workers > 1,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
        "wsgi.input_terminated": True,
        "SERVER_SOFTWARE": SERVER_SOFTWARE,
    }


def default_environ(req, sock, cfg):
    return {
        **base_environ(cfg),
        "wsgi.input": req.body,
        "gunicorn.socket": sock,
        "REQUEST_METHOD": req.method,
        "QUERY_STRING": req.query,
        "RAW_URI": req.uri,
        "SERVER_PROTOCOL": "HTTP/{}.{}".format(*req.version),
    }


def proxy_environ(req):
    info = req.proxy_protocol_info
    if not info:
        return {}
    return {
        "PROXY_PROTOCOL": info["proxy_protocol"],
        "REMOTE_ADDR": info["client_addr"],
        "REMOTE_PORT": str(info["client_port"]),
        "PROXY_ADDR": info["proxy_addr"],
        "PROXY_PORT": str(info["proxy_port"]),
    }


def create(req, sock, client, server, cfg, response_class=None, response_args=()):
    """The response to send, and the environ."""
    resp = (response_class or Response)(req, sock, cfg, *response_args)
    environ = default_environ(req, sock, cfg)
    if req._expected_100_continue:
        sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    script_name = os.environ.get("SCRIPT_NAME", "")
    values = {}
    for name, value in req.headers:
        if name in ("CONTENT-TYPE", "CONTENT-LENGTH"):
            environ[name.replace("-", "_")] = value
            continue
        if name == "SCRIPT_NAME":
            script_name = value
        values.setdefault("HTTP_" + name.replace("-", "_"), []).append(value)
    environ.update((key, ",".join(all)) for key, all in values.items())
    environ["wsgi.url_scheme"] = req.scheme
    if isinstance(client, (str, bytes)):
        environ["REMOTE_ADDR"] = util.bytes_to_str(client)
    else:
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = client[0], str(client[1])
    name, port = _server(server, environ.get("HTTP_HOST"), req.scheme)
    environ["SERVER_NAME"], environ["SERVER_PORT"] = name, str(port)
    if not req.path.startswith(script_name):
        raise ConfigurationProblem(
            f"Request path {req.path!r} does not start with SCRIPT_NAME {script_name!r}"
        )
    environ["SCRIPT_NAME"] = script_name
    environ["PATH_INFO"] = util.unquote_to_wsgi_str(req.path.removeprefix(script_name))
    environ.update(proxy_environ(req))
    environ["wsgi.early_hints"] = _early_hints(req, sock, resp)
    return resp, environ


def _server(server, host, scheme):
    """The name and port of the server. A unix socket has none, so Host is used."""
    if not isinstance(server, str):
        return server[:2]
    name, colon, port = server.partition(":")
    if colon:
        return name, port
    if not host:
        return name, ""
    name, colon, port = host.partition(":")
    return name, port if colon else {"http": 80, "https": 443}.get(scheme, "")


def _early_hints(req, sock, resp):
    """The function with which an app sends 103 before its response."""

    def send(headers):
        if resp.headers_sent or req.version < (1, 1):
            return
        lines = ["HTTP/1.1 103 Early Hints"]
        for name, value in headers:
            name, value = util.bytes_to_str(name), util.bytes_to_str(value)
            _check_field(name, value)
            lines.append(f"{name}: {value.strip(' \t')}")
        util.write(sock, ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    return send


def _check_field(name, value):
    for text in (name, value):
        if not isinstance(text, str):
            raise TypeError(f"{text!r} is not a string")
    if not TOKEN_RE.fullmatch(name):
        raise InvalidResponseHeaderName(repr(name))
    if not HEADER_VALUE_RE.fullmatch(value):
        # The value may be a secret.
        raise InvalidResponseHeader(repr(name))


class Response:
    def __init__(self, req, sock, cfg):
        self.req = req
        self.sock = sock
        self.cfg = cfg
        self.version = SERVER
        self.status = None
        self.status_code = None
        self.chunked = False
        self.must_close = False
        self.headers = []
        self.headers_sent = False
        self.response_length = None
        self.sent = 0
        self.upgrade = False
        self._omits_body = False
        self._has_warned = False

    def force_close(self):
        self.must_close = True

    def should_close(self):
        if self.must_close or self.req.should_close():
            return True
        has_end = self.response_length is not None or self.chunked
        return not (has_end or self._has_no_body())

    def _has_no_body(self):
        code = self.status_code
        no_body = code is not None and (code < 200 or code in (204, 304))
        return no_body or self.req.method == "HEAD"

    def start_response(self, status, headers, exc_info=None):
        if exc_info is not None:
            if self.status and self.headers_sent:
                util.reraise(*exc_info)
        elif self.status is not None:
            raise AssertionError("Response headers already set!")
        if not isinstance(status, str):
            raise TypeError(f"{status!r} is not a string")
        if not STATUS_RE.fullmatch(status):
            raise ValueError(f"Invalid status {status!r}")
        self.status = status
        self.status_code = int(status[:3])
        self.process_headers(headers)
        self._omits_body = self._has_no_body()
        if self.status_code < 200 or self.status_code == 204:
            # These have no length either (RFC 9110 section 8.6).
            self.headers = [it for it in self.headers if it[0].lower() != "content-length"]
            self.response_length = None
        self.chunked = self.is_chunked()
        return self.write

    def process_headers(self, headers):
        for name, value in headers:
            _check_field(name, value)
            value = value.strip(" \t")
            lower = name.lower()
            if lower == "content-length":
                self.response_length = int(value)
            elif lower == "connection":
                self.upgrade = self.upgrade or value.lower() == "upgrade"
            if not util.is_hoppish(name) or (lower, value.lower()) == ("upgrade", "websocket"):
                self.headers.append((name, value))

    def is_chunked(self):
        return not (
            self.response_length is not None
            or self.req.version <= (1, 0)
            or self._omits_body
            or getattr(self.cfg, "protocol", "http") == "uwsgi"
        )

    def default_headers(self):
        """The first lines of the head, with line ends."""
        connection = "close" if self.should_close() else "keep-alive"
        lines = [
            "HTTP/{}.{} {}".format(*self.req.version, self.status),
            f"Server: {self.version}",
            f"Date: {util.http_date()}",
            f"Connection: {'upgrade' if self.upgrade else connection}",
        ]
        if self.chunked:
            lines.append("Transfer-Encoding: chunked")
        return [f"{line}\r\n" for line in lines]

    def send_headers(self):
        if self.headers_sent:
            return
        fields = [f"{name}: {value}\r\n" for name, value in self.headers]
        head = "".join([*self.default_headers(), *fields, "\r\n"])
        util.write(self.sock, head.encode("latin-1"))
        self.headers_sent = True

    def write(self, arg):
        self.send_headers()
        if not isinstance(arg, bytes):
            raise TypeError(f"{arg!r} is not a byte")
        if self._omits_body:
            self._drop(len(arg))
            return
        if self.response_length is not None:
            arg = arg[: max(0, self.response_length - self.sent)]
        # An empty chunk would end the body.
        if arg:
            self.sent += len(arg)
            util.write(self.sock, arg, self.chunked)

    def _drop(self, length):
        if length and not self._has_warned:
            self._has_warned = True
            log.warning(
                "A body is not sent: there is none for %s with status %s.",
                self.req.method,
                self.status_code,
            )

    def can_sendfile(self):
        return self.cfg.sendfile is not False

    def sendfile(self, respiter):
        """Sends the content of a file without reading it. Returns whether that was
        possible."""
        if self.cfg.is_ssl or not self.can_sendfile() or not util.has_fileno(respiter.filelike):
            return False
        fd = respiter.filelike.fileno()
        try:
            offset = os.lseek(fd, 0, os.SEEK_CUR)
            length = self.response_length
            if length is None:
                length = os.fstat(fd).st_size - offset
        except OSError:
            return False
        self.send_headers()
        if self._omits_body:
            self._drop(max(0, length))
            return True
        if length > 0:
            if self.chunked:
                self.sock.sendall(b"%X\r\n" % length)
            self.sock.sendfile(respiter.filelike, offset=offset, count=length)
            if self.chunked:
                self.sock.sendall(b"\r\n")
        os.lseek(fd, offset, os.SEEK_SET)
        return True

    def write_file(self, respiter):
        if not self.sendfile(respiter):
            for piece in respiter:
                self.write(piece)

    def close(self):
        self.send_headers()
        if self.chunked:
            util.write_chunk(self.sock, b"")
