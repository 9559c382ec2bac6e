"""The requests of one connection, one after the other."""

import time

from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader, SocketUnreader

# How much of an unread body is read if there is a time limit.
_DRAIN_MAX_BYTES = 1 << 16


class Parser:
    mesg_class = None

    def __init__(self, cfg, source, source_addr):
        self.cfg = cfg
        self.unreader = (SocketUnreader if hasattr(source, "recv") else IterUnreader)(source)
        self.mesg = None
        self.source_addr = source_addr
        self.req_count = 0

    def __iter__(self):
        return self

    def __next__(self):
        if self.mesg and self.mesg.should_close() or not self.finish_body():
            raise StopIteration
        self.req_count += 1
        self.mesg = self.mesg_class(self.cfg, self.unreader, self.source_addr, self.req_count)
        return self.mesg

    next = __next__

    def finish_body(self, deadline=None, max_bytes=None):
        """Reads the rest of the body until `deadline` (monotonic clock). Returns
        whether all was read; if not, the connection cannot be used any more."""
        if not self.mesg:
            return True
        if getattr(self.mesg.body, "failed", False):
            return False
        if max_bytes is None and deadline is not None:
            max_bytes = _DRAIN_MAX_BYTES
        sock = getattr(self.unreader, "sock", None)
        if deadline is None or not hasattr(sock, "settimeout"):
            return self._drain(max_bytes, lambda: True)

        def has_time():
            left = deadline - time.monotonic()
            if left > 0:
                sock.settimeout(left)
            return left > 0

        usual = sock.gettimeout()
        try:
            return self._drain(max_bytes, has_time)
        finally:
            sock.settimeout(usual)

    def _drain(self, max_bytes, has_time):
        drained = 0
        while has_time():
            try:
                data = self.mesg.body.read(1024)
            except TimeoutError:
                return False
            except OSError as error:
                # TLS has no more data at the moment.
                if type(error).__name__ == "SSLWantReadError":
                    return True
                raise
            if not data:
                return True
            drained += len(data)
            if max_bytes is not None and drained >= max_bytes:
                return False
        return False


class RequestParser(Parser):
    mesg_class = Request
