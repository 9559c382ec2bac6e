"""The head of a request (RFC 9112 sections 2 to 5), and the PROXY protocol before
it."""

import ipaddress
import re
import socket
import struct
from enum import IntEnum

from gunicorn.http.body import Body, ChunkedReader, EOFReader, LengthReader
from gunicorn.http.errors import (
    ExpectationFailed,
    ForbiddenProxyRequest,
    InvalidHeader,
    InvalidHeaderName,
    InvalidHTTPVersion,
    InvalidProxyHeader,
    InvalidProxyLine,
    InvalidRequestLine,
    InvalidRequestMethod,
    InvalidSchemeHeaders,
    LimitRequestHeaders,
    LimitRequestLine,
    NoMoreData,
    ObsoleteFolding,
    UnsupportedTransferCoding,
)
from gunicorn.util import bytes_to_str, split_request_uri

MAX_REQUEST_LINE = 8190
MAX_HEADERS = 32768
DEFAULT_MAX_HEADERFIELD_SIZE = 8190

RFC9110_5_6_2_TOKEN_SPECIALS = "!#$%&'*+-.^_`|~"
TOKEN_RE = re.compile(rf"[{re.escape(RFC9110_5_6_2_TOKEN_SPECIALS)}0-9a-zA-Z]+")
METHOD_BADCHAR_RE = re.compile("[a-z#]")
VERSION_RE = re.compile(r"HTTP/(\d)\.(\d)", re.ASCII)
RFC9110_5_5_INVALID_AND_DANGEROUS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
RFC9112_TARGET_INVALID = re.compile(r"[^\x21-\x7e]")

# Trailers must not change how the message is framed, routed or authenticated.
RFC9110_6_5_1_FORBIDDEN_TRAILER = frozenset(
    ("HOST", "CONTENT-LENGTH", "TRANSFER-ENCODING", "TRAILER", "AUTHORIZATION", "TE")
)
# Fields that cannot be joined to a list.
RFC9110_5_3_SINGLETON_FIELDS = frozenset(("HOST", "CONTENT-TYPE"))

PP_V2_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


class PPCommand(IntEnum):
    LOCAL = 0
    PROXY = 1


class PPFamily(IntEnum):
    UNSPEC = 0
    INET = 1
    INET6 = 2
    UNIX = 3


class PPProtocol(IntEnum):
    UNSPEC = 0
    STREAM = 1
    DGRAM = 2


class HeaderPolicy:
    """Decides which fields the app gets."""

    scheme = None
    version = None
    _expected_100_continue = False

    def _trusts(self, allowed, networks):
        """Whether the peer is one of these. A peer without an address (a unix socket)
        is."""
        if not isinstance(self.peer_addr, tuple) or "*" in allowed:
            return True
        try:
            address = ipaddress.ip_address(self.peer_addr[0])
        except ValueError:
            return False
        return any(address in network for network in networks)

    def _kept(self, fields, from_trailer=False):
        """The fields that the app gets."""
        cfg = self.cfg
        trusted = not from_trailer and self._trusts(
            cfg.forwarded_allow_ips, cfg.forwarded_allow_networks()
        )
        schemes = cfg.secure_scheme_headers if trusted else {}
        forwarder = cfg.forwarder_headers if trusted else []
        kept, seen, scheme = [], set(), None
        for name, value in fields:
            if name in RFC9110_5_3_SINGLETON_FIELDS and name in seen:
                raise InvalidHeader(name, req=self)
            seen.add(name)
            if name == "EXPECT" and not from_trailer:
                if value.lower() != "100-continue":
                    raise ExpectationFailed(value)
                self._expected_100_continue = self.version >= (1, 1)
            if name in schemes:
                said = "https" if value == schemes[name] else "http"
                if scheme not in (None, said):
                    raise InvalidSchemeHeaders
                self.scheme = scheme = said
            # In an environ it would look like the field with a hyphen.
            if "_" in name and name not in forwarder and "*" not in forwarder:
                if cfg.header_map == "drop":
                    continue
                if cfg.header_map != "dangerous":
                    raise InvalidHeaderName(name)
            kept.append((name, value))
        return kept


class Message(HeaderPolicy):
    def __init__(self, cfg, unreader, peer_addr):
        self.cfg = cfg
        self.unreader = unreader
        self.peer_addr = peer_addr
        self.remote_addr = peer_addr
        self.version = None
        self.headers = []
        self.trailers = []
        self.body = None
        self.scheme = "https" if cfg.is_ssl else "http"
        self.must_close = False
        fields, size = cfg.limit_request_fields, cfg.limit_request_field_size
        self.limit_request_fields = fields if 0 < fields <= MAX_HEADERS else MAX_HEADERS
        self.limit_request_field_size = size if size > 0 else DEFAULT_MAX_HEADERFIELD_SIZE
        self.max_buffer_headers = (
            self.limit_request_fields * (self.limit_request_field_size + 2) + 4
        )
        unreader.unread(self.parse(unreader))
        self.set_body_reader()

    def force_close(self):
        self.must_close = True

    def parse(self, unreader):
        """Reads the head. Returns the bytes after it."""
        raise NotImplementedError

    def parse_headers(self, data, from_trailer=False):
        """The fields in the lines of `data`: pairs of the name in upper case and the
        value."""
        fields = []
        lines = bytes_to_str(data).split("\r\n")
        while lines:
            if len(fields) >= self.limit_request_fields:
                raise LimitRequestHeaders("limit request headers fields")
            line = lines.pop(0)
            length = len(line) + 2
            name, colon, value = line.partition(":")
            if not colon or not name:
                raise InvalidHeader(line)
            if self.cfg.strip_header_spaces:
                name = name.rstrip(" \t")
            if not TOKEN_RE.fullmatch(name):
                raise InvalidHeaderName(name)
            name = name.upper()
            if from_trailer and name in RFC9110_6_5_1_FORBIDDEN_TRAILER:
                raise InvalidHeaderName(name)
            values = [value.strip(" \t")]
            while lines and lines[0].startswith((" ", "\t")):
                if not self.cfg.permit_obsolete_folding:
                    raise ObsoleteFolding(name)
                length += len(lines[0]) + 2
                values.append(lines.pop(0).strip(" \t"))
            if length > self.limit_request_field_size:
                raise LimitRequestHeaders("limit request headers fields size")
            value = " ".join(values)
            if RFC9110_5_5_INVALID_AND_DANGEROUS.search(value):
                raise InvalidHeader(name)
            fields.append((name, value))
        return self._kept(fields, from_trailer)

    def set_body_reader(self):
        """Finds where the body ends (RFC 9112 section 6.3)."""
        lengths = [value for name, value in self.headers if name == "CONTENT-LENGTH"]
        codings = [
            coding.strip(" \t").lower()
            for name, value in self.headers
            if name == "TRANSFER-ENCODING"
            for coding in value.split(",")
        ]
        if len(lengths) > 1:
            raise InvalidHeader("CONTENT-LENGTH", req=self)
        for coding in codings:
            if coding not in ("chunked", "identity", "compress", "deflate", "gzip"):
                raise UnsupportedTransferCoding(coding)
        if codings:
            # Chunked must be last, and only once.
            if codings.index(codings[-1]) != len(codings) - 1 or codings[-1] != "chunked":
                raise InvalidHeader("TRANSFER-ENCODING", req=self)
            if self.version < (1, 1):
                raise InvalidHeader("TRANSFER-ENCODING", req=self)
            if lengths:
                raise InvalidHeader("CONTENT-LENGTH", req=self)
            if not {"compress", "deflate", "gzip"}.isdisjoint(codings):
                self.force_close()
            self.body = Body(ChunkedReader(self, self.unreader))
        elif lengths:
            if not (lengths[0].isascii() and lengths[0].isdigit()):
                raise InvalidHeader("CONTENT-LENGTH", req=self)
            self.body = Body(LengthReader(self.unreader, int(lengths[0])))
        else:
            self.body = Body(EOFReader(self.unreader))

    def should_close(self):
        if self.must_close or getattr(self, "method", None) == "CONNECT":
            return True
        for name, value in self.headers:
            if name == "CONNECTION":
                word = value.strip(" \t").lower()
                if word in ("close", "keep-alive"):
                    return word == "close"
                break
        return self.version <= (1, 0)


class Request(Message):
    def __init__(self, cfg, unreader, peer_addr, req_number=1):
        self.method = None
        self.uri = None
        self.path = None
        self.query = None
        self.fragment = None
        limit = cfg.limit_request_line
        self.limit_request_line = limit if 0 <= limit < MAX_REQUEST_LINE else MAX_REQUEST_LINE
        self.req_number = req_number
        self.proxy_protocol_info = None
        super().__init__(cfg, unreader, peer_addr)

    def get_data(self, unreader, buf, stop=False):
        buf.write(self._more(unreader, buf.getvalue(), stop))

    def read_into(self, unreader, buf, stop=False):
        buf += self._more(unreader, bytes(buf), stop)

    def _more(self, unreader, before, stop):
        data = unreader.read()
        if not data:
            raise StopIteration if stop else NoMoreData(before)
        return data

    def read_line(self, unreader, buf, limit=0):
        """A line, and the bytes of `buf` after it."""
        while True:
            line, end, rest = bytes(buf).partition(b"\r\n")
            if b"\n" in line:
                raise InvalidRequestLine("bare LF as line terminator")
            # If the line has no end yet, its last byte may be the CR of the end.
            length = len(line) if end else len(line) - 2
            if length > limit > 0:
                raise LimitRequestLine(len(line), limit)
            if end:
                return line, bytearray(rest)
            self.read_into(unreader, buf)

    def read_bytes(self, unreader, buf, count):
        """So many bytes, and the bytes of `buf` after them."""
        while len(buf) < count:
            self.read_into(unreader, buf)
        return bytes(buf[:count]), bytearray(buf[count:])

    def parse(self, unreader):
        buf = bytearray()
        self.read_into(unreader, buf, stop=True)
        mode = self.cfg.proxy_protocol
        if mode != "off" and self.req_number == 1:
            buf = self._take_proxy_header(unreader, buf, mode)
        # One empty line before the request is allowed.
        while buf == b"\r":
            self.read_into(unreader, buf)
        line, buf = self.read_line(
            unreader, buf.removeprefix(b"\r\n"), self.limit_request_line
        )
        self.parse_request_line(line)
        while not buf.startswith(b"\r\n") and b"\r\n\r\n" not in buf:
            if buf.count(b"\n") != buf.count(b"\r\n"):
                raise InvalidHeader("bare LF as line terminator")
            self.read_into(unreader, buf)
            if len(buf) > self.max_buffer_headers:
                raise LimitRequestHeaders("max buffer headers")
        if buf.startswith(b"\r\n"):
            return bytes(buf[2:])
        fields, _, rest = bytes(buf).partition(b"\r\n\r\n")
        self.headers = self.parse_headers(fields)
        return rest

    def parse_request_line(self, line_bytes):
        line = bytes_to_str(line_bytes)
        try:
            self.method, self.uri, version = line.split(" ", 2)
        except ValueError:
            raise InvalidRequestLine(line) from None
        self._check_method()
        target = self.uri
        is_path = target.startswith("/") or "://" in target
        if RFC9112_TARGET_INVALID.search(target) or not (
            is_path
            or (self.method == "CONNECT" and target not in ("", "*"))
            or (self.method == "OPTIONS" and target == "*")
        ):
            raise InvalidRequestLine(line)
        try:
            parts = split_request_uri(target)
        except ValueError:
            raise InvalidRequestLine(line) from None
        self.path, self.query, self.fragment = parts.path, parts.query, parts.fragment
        found = VERSION_RE.fullmatch(version)
        if found is None:
            raise InvalidHTTPVersion(version)
        self.version = int(found[1]), int(found[2])
        if self.version[0] != 1 and not self.cfg.permit_unconventional_http_version:
            raise InvalidHTTPVersion(self.version)

    def _check_method(self):
        method = self.method
        usual = 3 <= len(method) <= 20 and not METHOD_BADCHAR_RE.search(method)
        if not TOKEN_RE.fullmatch(method) or not (
            usual or self.cfg.permit_unconventional_http_method
        ):
            raise InvalidRequestMethod(method)
        if self.cfg.casefold_http_method:
            self.method = method.upper()

    def set_body_reader(self):
        super().set_body_reader()
        # The body of a request does not last until the connection ends.
        if isinstance(self.body.reader, EOFReader):
            self.body = Body(LengthReader(self.unreader, 0))

    def proxy_protocol_access_check(self):
        if not self._trusts(self.cfg.proxy_allow_ips, self.cfg.proxy_allow_networks()):
            raise ForbiddenProxyRequest(self.peer_addr[0])

    def _take_proxy_header(self, unreader, buf, mode):
        """Reads the header of a proxy. Returns the bytes after it."""
        while len(buf) < len(PP_V2_SIGNATURE):
            self.read_into(unreader, buf)
        if mode in ("v2", "auto") and buf.startswith(PP_V2_SIGNATURE):
            self.proxy_protocol_access_check()
            return self._take_proxy_v2(unreader, buf)
        if mode in ("v1", "auto") and buf.startswith(b"PROXY "):
            self.proxy_protocol_access_check()
            return self._take_proxy_v1(unreader, buf)
        return buf

    def _take_proxy_v1(self, unreader, buf):
        while b"\r\n" not in buf:
            self.read_into(unreader, buf)
        line, _, rest = bytes(buf).partition(b"\r\n")
        line = bytes_to_str(line)
        families = {"TCP4": socket.AF_INET, "TCP6": socket.AF_INET6}
        try:
            _, protocol, client, proxy, client_port, proxy_port = line.split(" ")
            for address in (client, proxy):
                socket.inet_pton(families[protocol], address)
            ports = int(client_port), int(proxy_port)
        except (ValueError, KeyError, OSError):
            raise InvalidProxyLine(line) from None
        if not all(0 <= port <= 65535 for port in ports):
            raise InvalidProxyLine(line)
        self._came_from(protocol, client, ports[0], proxy, ports[1])
        return bytearray(rest)

    def _take_proxy_v2(self, unreader, buf):
        head, buf = self.read_bytes(unreader, buf, 16)
        version, command = divmod(head[12], 16)
        family, protocol = divmod(head[13], 16)
        length = int.from_bytes(head[14:])
        if version != 2:
            raise InvalidProxyHeader(f"unsupported version {version}")
        if command not in list(PPCommand):
            raise InvalidProxyHeader(f"unsupported command {command}")
        addresses, buf = self.read_bytes(unreader, buf, length)
        if command == PPCommand.LOCAL:
            self._came_from("LOCAL")
            return buf
        if protocol != PPProtocol.STREAM:
            raise InvalidProxyHeader("only TCP protocol is supported")
        forms = {
            PPFamily.INET: ("TCP4", socket.AF_INET, "!4s4sHH"),
            PPFamily.INET6: ("TCP6", socket.AF_INET6, "!16s16sHH"),
        }
        if family == PPFamily.UNSPEC:
            self._came_from("UNSPEC")
            return buf
        if family not in forms:
            raise InvalidProxyHeader(f"unsupported address family {family}")
        name, kind, form = forms[family]
        if length < struct.calcsize(form):
            raise InvalidProxyHeader(f"insufficient address data for {name}")
        client, proxy, *ports = struct.unpack_from(form, addresses)
        client, proxy = (socket.inet_ntop(kind, address) for address in (client, proxy))
        self._came_from(name, client, ports[0], proxy, ports[1])
        return buf

    def _came_from(self, protocol, client=None, client_port=None, proxy=None, proxy_port=None):
        self.proxy_protocol_info = {
            "proxy_protocol": protocol,
            "client_addr": client,
            "client_port": client_port,
            "proxy_addr": proxy,
            "proxy_port": proxy_port,
        }
