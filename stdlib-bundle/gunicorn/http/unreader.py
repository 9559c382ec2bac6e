"""Sources of bytes to which bytes can be given back."""

import io


class Unreader:
    def __init__(self):
        self.buf = io.BytesIO()

    def chunk(self, size_hint=None):
        """The next piece from the source; nothing at its end."""
        raise NotImplementedError

    def take_buffered(self):
        """What is at hand, without asking the source."""
        held, self.buf = self.buf.getvalue(), io.BytesIO()
        return held

    def read(self, size=None, read_ahead=None):
        """So many bytes, fewer at the end; without a size, what is at hand or the next
        piece. Up to `read_ahead` bytes may be asked of the source at once."""
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
    # The most that is asked of the socket at once.
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
