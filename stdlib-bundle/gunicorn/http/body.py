"""Request bodies (RFC 9112 sections 6 and 7)."""

import io
import re
import sys

from gunicorn.http.errors import (
    ChunkMissingTerminator,
    InvalidChunkExtension,
    InvalidChunkSize,
    InvalidHeader,
    LimitRequestHeaders,
    NoMoreData,
)

# What may follow the size of a chunk (RFC 9112 section 7.1.1).
CHUNK_EXT_RE = re.compile(
    rb"""(?x: [ \t]* ; [ \t]* [!#$%&'*+\-.^_`|~0-9A-Za-z]+
    (?: [ \t]* = [ \t]* (?: [!#$%&'*+\-.^_`|~0-9A-Za-z]+
        | "(?: [\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff] | \\[\t\x20-\x7e\x80-\xff] )*" ) )? )*"""
)
CHUNK_SIZE_RE = re.compile(rb"[0-9a-fA-F]+")
MAX_READ_STEP = 1 << 20
DEFAULT_MAX_CHUNK_SIZE_LINE = 8190
DEFAULT_MAX_TRAILER_SECTION = 32 * 8190


def _checked(size):
    if not isinstance(size, int):
        raise TypeError("size must be an integer type")
    if size < 0:
        raise ValueError("Size must be positive.")
    return size


class _Buffered:
    """Reads pieces and returns the requested number of bytes."""

    def __init__(self):
        self.buf = io.BytesIO()

    def piece(self):
        """The next piece; empty at the end."""
        raise NotImplementedError

    def read(self, size):
        if _checked(size) == 0:
            return b""
        data = self.buf.getvalue()
        while len(data) < size and (more := self.piece()):
            data += more
        self.buf = io.BytesIO()
        self.buf.write(data[size:])
        return data[:size]


class ChunkedReader(_Buffered):
    def __init__(self, req, unreader):
        super().__init__()
        self.req = req
        self.parser = self.parse_chunked(unreader)
        line = getattr(req, "limit_request_field_size", 0)
        self.limit_chunk_size_line = line or DEFAULT_MAX_CHUNK_SIZE_LINE
        trailers = getattr(req, "max_buffer_headers", 0)
        self.limit_trailer_section = trailers or DEFAULT_MAX_TRAILER_SECTION

    def piece(self):
        return next(self.parser, b"")

    def parse_chunked(self, unreader):
        size, rest = self.parse_chunk_size(unreader)
        while size:
            while size:
                rest = rest or unreader.read(None, read_ahead=size)
                if not rest:
                    raise NoMoreData()
                piece, rest = rest[:size], rest[size:]
                size -= len(piece)
                yield piece
            while len(rest) < 2 and (more := unreader.read()):
                rest += more
            if rest[:2] != b"\r\n":
                raise ChunkMissingTerminator(rest[:2])
            size, rest = self.parse_chunk_size(unreader, data=rest[2:])

    def parse_chunk_size(self, unreader, data=None):
        """The size at the beginning of a chunk, and the bytes after that line."""
        buf = bytearray(data or b"")
        while b"\r\n" not in buf:
            if len(buf) > self.limit_chunk_size_line:
                raise InvalidChunkSize(b"a line of more than %d bytes" % self.limit_chunk_size_line)
            self.read_into(unreader, buf)
        line, _, rest = bytes(buf).partition(b"\r\n")
        size, semicolon, extension = line.partition(b";")
        if semicolon:
            if b"\r" in extension:
                raise InvalidChunkExtension("bare CR not allowed")
            size = size.rstrip(b" \t")
        if not CHUNK_SIZE_RE.fullmatch(size):
            raise InvalidChunkSize(size)
        if not CHUNK_EXT_RE.fullmatch(semicolon + extension):
            raise InvalidChunkExtension("invalid chunk extension")
        size = int(size, 16)
        if size == 0:
            self.parse_trailers(unreader, rest)
            return 0, None
        return size, rest

    def parse_trailers(self, unreader, data):
        buf = bytearray(data)
        # There may be only the empty line.
        while not buf.startswith(b"\r\n") and b"\r\n\r\n" not in buf:
            if len(buf) > self.limit_trailer_section:
                raise LimitRequestHeaders("limit request trailer section size")
            if buf.count(b"\n") != buf.count(b"\r\n"):
                raise InvalidHeader("bare LF as line terminator")
            try:
                self.read_into(unreader, buf)
            except NoMoreData:
                raise ChunkMissingTerminator(b"") from None
        if buf.startswith(b"\r\n"):
            unreader.unread(bytes(buf[2:]))
            return
        fields, _, rest = bytes(buf).partition(b"\r\n\r\n")
        unreader.unread(rest)
        self.req.trailers = self.req.parse_headers(fields, from_trailer=True)

    def get_data(self, unreader, buf):
        buf.write(self._more(unreader))

    def read_into(self, unreader, buf):
        buf += self._more(unreader)

    @staticmethod
    def _more(unreader):
        data = unreader.read()
        if not data:
            raise NoMoreData()
        return data


class LengthReader:
    def __init__(self, unreader, length):
        self.unreader = unreader
        self.length = length

    def read(self, size):
        size = min(self.length, _checked(size))
        if size == 0:
            return b""
        data = self.unreader.read(size, read_ahead=self.length)
        self.length -= size
        return data


class EOFReader(_Buffered):
    def __init__(self, unreader):
        super().__init__()
        self.unreader = unreader
        self.finished = False

    def piece(self):
        data = b"" if self.finished else self.unreader.read()
        self.finished = not data
        return data


class Body:
    """The input of a WSGI app."""

    def __init__(self, reader):
        self.reader = reader
        self.buf = io.BytesIO()
        # After an error it is not known where the next request begins.
        self.failed = False

    def __iter__(self):
        return self

    def __next__(self):
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    next = __next__

    def getsize(self, size):
        if size is None:
            return sys.maxsize
        if not isinstance(size, int):
            raise TypeError("size must be an integral type")
        return size if size >= 0 else sys.maxsize

    def read(self, size=None):
        return self._take(self.getsize(size), lambda data, size: size if len(data) >= size else 0)

    def readline(self, size=None):
        def end(data, size):
            newline = data.find(b"\n", 0, size) + 1
            return newline or (size if len(data) >= size else 0)

        return self._take(self.getsize(size), end)

    def readlines(self, size=None):
        return list(self)

    def _take(self, size, end):
        """Takes as many bytes as `end` says; all of them at the end of the body."""
        if size == 0:
            return b""
        data = bytearray(self.buf.getvalue())
        while not (length := end(data, size)):
            try:
                more = self.reader.read(min(max(1024, size - len(data)), MAX_READ_STEP))
            except Exception:
                self.failed = True
                raise
            if not more:
                length = len(data)
                break
            data += more
        self.buf = io.BytesIO()
        self.buf.write(data[length:])
        return bytes(data[:length])
