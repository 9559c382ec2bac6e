"""The logger."""

import logging
import socket

from _rgunicorn import log_config
from _rgunicorn.log_atoms import SafeAtoms
from _rgunicorn.logger import Logger

CONFIG_DEFAULTS = log_config.defaults()

# RFC 5424, section 6.2.1.
SYSLOG_FACILITIES = {
    "kern": 0,
    "user": 1,
    "mail": 2,
    "daemon": 3,
    "auth": 4,
    "security": 4,
    "syslog": 5,
    "lpr": 6,
    "news": 7,
    "uucp": 8,
    "cron": 9,
    "authpriv": 10,
    "ftp": 11,
    **{f"local{number}": 16 + number for number in range(8)},
}


def loggers():
    """All loggers except the root."""
    return [logging.getLogger(name) for name in list(logging.root.manager.loggerDict)]


def parse_syslog_address(addr):
    """The type of the socket (None if both are possible) and its address."""
    scheme, separator, rest = addr.partition("://")
    if scheme == "unix" and separator:
        path, _, kind = rest.partition("#")
        return socket.SOCK_DGRAM if kind == "dgram" else None, path
    kinds = {"udp": socket.SOCK_DGRAM, "tcp": socket.SOCK_STREAM}
    if scheme not in kinds or not separator:
        raise RuntimeError("invalid syslog address")
    if rest.startswith("["):
        host, _, port = rest[1:].partition("]")
        port = port.removeprefix(":")
    else:
        host, _, port = rest.partition(":")
    if port and not port.isdigit():
        raise RuntimeError(f"{port!r} is not a valid port number.")
    return kinds[scheme], (host.lower() or "localhost", int(port or 514))
