"""The client's socket in a WSGI environ, `gunicorn.socket`.

The object is a socket without a descriptor. Methods that read or write, or could lead
to that, first take the connection over from the server. Methods that only ask about the
socket do not: the request goes on as usual.
"""

import _socket
import sys
from _thread import allocate_lock
from importlib import import_module

# Methods that do not need the connection.
QUERIES = "getpeername", "getsockname", "getsockopt", "setsockopt"

# The seconds that other threads of the app have at the end, for example for the last
# frame of a WebSocket. They must close the socket within this time.
CLOSING_TIME = 0.1


def offers(cooperative):
    """Returns what makes such an object for the connection of a request."""
    kind = None

    def make(way):
        nonlocal kind
        if kind is None:
            kind = _gevents() if cooperative else _threads()
        made = kind.__new__(kind)
        made._way = way
        return made

    def offer(way):
        # Frameworks import `socket` anyway. It takes more than half as
        # long as the interpreter's start, so nobody else waits for it.
        return make(way) if "socket" in sys.modules else Later(make, way)

    return offer


class Later:
    """Such an object where nothing has imported `socket`. The real one is made when the app
    looks at it."""

    def __init__(self, make, way):
        self._make, self._way, self._made = make, way, []

    def _real(self):
        if not self._made:
            real = self._make(self._way)
            # An app that keeps it keeps this, too, and the next request gets another.
            real._later = self
            self._made.append(real)
        return self._made[0]

    def _part(self, upgraded):
        if self._made:
            self._made[0]._part(upgraded)

    def __getattr__(self, name):
        return getattr(self._real(), name)

    @property
    def __class__(self):
        return type(self._real())

    def __enter__(self):
        return self._real().__enter__()

    def __exit__(self, *error):
        return self._real().__exit__(*error)

    def __repr__(self):
        return repr(self._real())


def _gevents():
    from gevent.socket import socket

    return make_class(socket, "gevent.event")


def _threads():
    from socket import socket

    return make_class(socket, "threading")


def make_class(base, events):
    """A subclass of `base`, a class of sockets. `events` is a module with the matching
    class of events."""
    from socket import AddressFamily, SocketKind

    first_use = allocate_lock()

    class Socket(base):
        # `base` sets the first two when there is a descriptor.
        _closed, _io_refs = False, 0
        _is_taken = _is_clients = False
        # Whether other objects have the connection, too.
        _is_shared = False

        def _take(self):
            with first_use:
                if not self._is_taken:
                    descriptor, self._is_clients = self._way.take()
                    base.__init__(self, fileno=descriptor)
                    self._gone = import_module(events).Event()
                    self._is_taken = True
                    # Also if the app has another default.
                    base.settimeout(self, None)

        def _see(self, look):
            if self._is_clients:
                return look(self, base)

            def act(descriptor):
                own = _socket.socket(-1, -1, -1, descriptor)
                try:
                    return look(own, _socket.socket)
                finally:
                    own.detach()

            return self._way.look(act)

        def _part(self, upgraded):
            """Ends the use of the socket by the app."""
            if upgraded and not self._is_closed() and not self._has_ended():
                self._gone.wait(CLOSING_TIME)
            self.close()

        def _is_closed(self):
            return base.fileno(self) < 0

        def _has_ended(self):
            """Whether the client is gone and receives nothing more."""
            try:
                flags = _socket.MSG_PEEK | _socket.MSG_DONTWAIT
                return _socket.socket.recv(self, 1, flags) == b""
            except BlockingIOError:
                return False
            except OSError:
                return True

        def _real_close(self, *rest):
            base._real_close(self, *rest)
            if not self._is_shared:
                self._way.closed()
            self._gone.set()

        @property
        def family(self):
            return AddressFamily(self._see(lambda own, kind: kind.family.__get__(own)))

        @property
        def type(self):
            return SocketKind(self._see(lambda own, kind: kind.type.__get__(own)))

        @property
        def proto(self):
            return self._see(lambda own, kind: kind.proto.__get__(own))

        def dup(self):
            self._take()
            copy = base(fileno=_socket.dup(base.fileno(self)))
            copy.settimeout(self.gettimeout())
            self._is_shared = True
            return copy

        def detach(self):
            self._take()
            self._is_shared = True
            self._gone.set()
            return base.detach(self)

        def __repr__(self):
            if self._is_taken:
                return base.__repr__(self)
            return "<gunicorn.socket, not in use>"

    def seeing(name):
        def method(self, *args):
            return self._see(lambda own, kind: getattr(kind, name)(own, *args))

        return method

    def taking(name):
        act = getattr(base, name)

        def method(self, *args, **named):
            if not self._is_taken:
                self._take()
            return act(self, *args, **named)

        return method

    for name in dir(base):
        if name in QUERIES:
            setattr(Socket, name, seeing(name))
        elif not name.startswith("_") and name not in vars(Socket) and callable(getattr(base, name)):
            setattr(Socket, name, taking(name))
    return Socket
