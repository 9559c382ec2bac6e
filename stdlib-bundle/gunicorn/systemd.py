"""Sockets from systemd, and messages to it."""

import os
import socket

SD_LISTEN_FDS_START = 3


def listen_fds(unset_environment=True):
    """The number of sockets for this process."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return 0
    count = int(os.environ.get("LISTEN_FDS", 0))
    if unset_environment:
        for name in ("LISTEN_PID", "LISTEN_FDS"):
            os.environ.pop(name, None)
    return count


def sd_notify(state, logger, unset_environment=False):
    """Sends a state, if a socket for it is set."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address is None:
        return
    if unset_environment:
        del os.environ["NOTIFY_SOCKET"]
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.connect(address)
            sock.sendall(state.encode())
    except OSError:
        logger.debug("Exception while invoking sd_notify()", exc_info=True)
