"""Sources of bytes that take bytes back."""

import io


class Unreader:
    def __init__(self):
        self.buf = io.BytesIO()

    def chunk(self, size_hint=None):
        """The next piece from the source; empty at its end."""
        raise NotImplementedError

    def take_buffered(self):
        """The buffered bytes, without reading from the source."""
        held, self.buf = self.buf.getvalue(), io.BytesIO()
        return held

    def read(self, size=None, read_ahead=None):
        """So many bytes, or fewer at the end. Without a size, the buffered bytes or the
        next piece. Up to `read_ahead` bytes may be read from the source at once."""
        if size is not None and not isinstance(size, int):
            raise TypeError("size parameter must be an int or long.")
        held = self.take_buffered()
        if size is None or size < 0:
            return held or self.chunk(read_ahead)
        try:
            while len(held) < size:
                more = self.chunk(max(size, read_ahead or 0) - len(held))
                if not more:
                    break
                held += more
        except BaseException:
            self.unread(held)
            raise
        self.buf.write(held[size:])
        return held[:size]

    def unread(self, data):
        held = self.take_buffered()
        self.buf.write(data)
        self.buf.write(held)


class SocketUnreader(Unreader):
    # The most that is read from the socket at once.
    max_body_chunk = 1 << 20

    def __init__(self, sock, max_chunk=8192):
        super().__init__()
        self.sock = sock
        self.mxchunk = max_chunk

    def chunk(self, size_hint=None):
        return self.sock.recv(max(self.mxchunk, min(size_hint or 0, self.max_body_chunk)))


class IterUnreader(Unreader):
    def __init__(self, iterable):
        super().__init__()
        self.iter = iter(iterable)

    def chunk(self, size_hint=None):
        return next(self.iter, b"") if self.iter else b""
