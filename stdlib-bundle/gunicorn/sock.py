"""Listening sockets in Python. The server opens its own."""

import errno
import os
import socket
import ssl
import stat
import struct
import sys
import time

from gunicorn import util

PLATFORM = sys.platform


class BaseSocket:
    def __init__(self, address, conf, log, fd=None):
        self.log = log
        self.conf = conf
        self.cfg_addr = address
        if fd is None:
            sock = socket.socket(self.FAMILY, socket.SOCK_STREAM)
        else:
            sock = socket.socket(self.FAMILY, socket.SOCK_STREAM, fileno=fd)
        self.sock = self.set_options(sock, bound=fd is not None)

    def __str__(self):
        return f"<socket {self.sock.fileno()}>"

    def __getattr__(self, name):
        if name == "sock":
            raise AttributeError(name)
        return getattr(self.sock, name)

    def set_options(self, sock, bound=False):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self.conf.reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if not bound:
            self.bind(sock)
        sock.setblocking(False)
        sock.set_inheritable(True)
        if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            sock.listen(self.conf.backlog)
        return sock

    def bind(self, sock):
        sock.bind(self.cfg_addr)

    def close(self):
        if self.sock is not None:
            util.close(self.sock)
            self.sock = None

    def get_backlog(self):
        return -1


class TCPSocket(BaseSocket):
    FAMILY = socket.AF_INET

    def __str__(self):
        host, port = self.sock.getsockname()[:2]
        return f"{'https' if self.conf.is_ssl else 'http'}://{host}:{port}"

    def set_options(self, sock, bound=False):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return super().set_options(sock, bound=bound)

    def get_backlog(self):
        """The number of connections that wait to be accepted (`tcpi_unacked` of a
        listener)."""
        if self.sock is None:
            return 0
        info = self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        return struct.unpack_from("I", info, 24)[0]


class TCP6Socket(TCPSocket):
    FAMILY = socket.AF_INET6

    def __str__(self):
        host, port = self.sock.getsockname()[:2]
        return f"http://[{host}]:{port}"


class UnixSocket(BaseSocket):
    FAMILY = socket.AF_UNIX

    def __init__(self, addr, conf, log, fd=None):
        # A socket that an earlier server has left is removed.
        if fd is None and not addr.startswith("\0") and os.path.exists(addr):
            if not stat.S_ISSOCK(os.stat(addr).st_mode):
                raise ValueError(f"{addr!r} is not a socket")
            os.remove(addr)
        super().__init__(addr, conf, log, fd=fd)

    def __str__(self):
        return f"unix:{self.cfg_addr}"

    def bind(self, sock):
        usual = os.umask(self.conf.umask)
        try:
            sock.bind(self.cfg_addr)
        finally:
            os.umask(usual)
        if not self.cfg_addr.startswith("\0"):
            util.chown(self.cfg_addr, self.conf.uid, self.conf.gid)


def _kind(address):
    if isinstance(address, tuple):
        return TCP6Socket if util.is_ipv6(address[0]) else TCPSocket
    if isinstance(address, (str, bytes)):
        return UnixSocket
    raise TypeError(f"Unable to create socket from: {address!r}")


def create_sockets(conf, log, fds=None):
    """Sockets for the addresses in `bind`, or those that are open already."""
    for file in ("certfile", "keyfile"):
        path = getattr(conf, file)
        if path and not os.path.exists(path):
            raise ValueError(f'{file} "{path}" does not exist')
    addresses = conf.address
    fds = [one for one in addresses if isinstance(one, int)] + list(fds or ())
    if not fds:
        return [_open(address, conf, log) for address in addresses]
    listeners = []
    for fd in fds:
        with socket.socket(fileno=os.dup(fd)) as sock:
            name = sock.getsockname()
        listeners.append(_kind(name)(name, conf, log, fd=fd))
    return listeners


def _open(address, conf, log):
    for tries_left in reversed(range(5)):
        try:
            return _kind(address)(address, conf, log)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                log.error("Connection in use: %s", address)
            if error.errno == errno.EADDRNOTAVAIL:
                log.error("Invalid address: %s", address)
            log.error("connection to %s failed: %s", address, error)
        if tries_left:
            time.sleep(1)
    log.error("Can't connect to %s", address)
    sys.exit(1)


def close_sockets(listeners, unlink=True):
    for listener in listeners:
        name = listener.getsockname()
        listener.close()
        if unlink and _kind(name) is UnixSocket:
            os.unlink(name)


def ssl_context(conf):
    def usual():
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=conf.ca_certs)
        context.load_cert_chain(conf.certfile, conf.keyfile)
        context.verify_mode = conf.cert_reqs
        if conf.ciphers:
            context.set_ciphers(conf.ciphers)
        return context

    return conf.ssl_context(conf, usual)


def ssl_wrap_socket(sock, conf):
    return ssl_context(conf).wrap_socket(
        sock,
        server_side=True,
        suppress_ragged_eofs=conf.suppress_ragged_eofs,
        do_handshake_on_connect=conf.do_handshake_on_connect,
    )


def get_negotiated_protocol(ssl_socket):
    is_tls = isinstance(ssl_socket, ssl.SSLSocket)
    return ssl_socket.selected_alpn_protocol() if is_tls else None


def is_http2_negotiated(ssl_socket):
    return get_negotiated_protocol(ssl_socket) == "h2"
