"""Whether the server in this container answers: `python -m _rgunicorn.healthy [PATH]`.

Sends a request for the path (by default `/`) to the address that the server listens on.
The server is healthy if the status is below 500.
"""

import os
import re
import socket
import ssl
import struct
import sys

# Seconds; an engine waits a little longer.
TIME_LIMIT = 4


def main(path="/"):
    try:
        family, address = server()
        status = ask(family, address, path)
    except OSError as error:
        return f"The server does not answer: {error}"
    print(f"The server answers with {status}.")
    return int(status >= 500)


def server():
    """The family and the address of a socket that the server listens on."""
    own = os.stat("/proc/self/exe")
    pids = (int(name) for name in os.listdir("/proc") if name.isdecimal())
    listening = dict(listeners())
    # The oldest process is the master, and its workers have the same sockets.
    for pid in sorted(pids):
        try:
            if pid != os.getpid() and os.path.samestat(os.stat(f"/proc/{pid}/exe"), own):
                for inode in sockets(pid):
                    if inode in listening:
                        return listening[inode]
        except OSError:
            # The process belongs to another user, or has ended.
            continue
    raise OSError("nothing listens in this container")


def sockets(pid):
    """The inodes of a process's sockets."""
    for descriptor in os.listdir(f"/proc/{pid}/fd".encode()):
        link = os.readlink(b"/proc/%d/fd/%s" % (pid, descriptor))
        if match := re.fullmatch(rb"socket:\[(\d+)\]", link):
            yield match[1]


def listeners():
    """Listening sockets by their inodes, as proc(5) lists them."""
    for name, family in ("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6):
        for fields in table(name):
            if fields[3] == b"0A":
                host, port = fields[1].split(b":")
                words = (int(word, 16) for word in re.findall(b"." * 8, host))
                host = b"".join(struct.pack("=I", word) for word in words)
                yield fields[9], (family, (socket.inet_ntop(family, host), int(port, 16)))
    # The last field is a path. It may have spaces in it, and any other bytes.
    for fields in table("unix", 7):
        if len(fields) == 8 and fields[3] == b"00010000":
            yield fields[6], (socket.AF_UNIX, re.sub(b"^@", b"\0", fields[7]))


def table(name, splits=-1):
    try:
        with open(f"/proc/net/{name}", "rb") as lines:
            return [line.rstrip(b"\n").split(None, splits) for line in lines][1:]
    except FileNotFoundError:
        # The kernel has no IPv6.
        return []


def ask(family, address, path):
    """The status of the response."""
    answer = exchange(family, address, path, plain)
    if b"speaks HTTPS" in answer:
        answer = exchange(family, address, path, in_tls)
    if match := re.match(rb"HTTP/1\.\d (\d{3}) ", answer):
        return int(match[1])
    raise OSError("what it says is no HTTP")


def exchange(family, address, path, wrap):
    """The first bytes of the response."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.settimeout(TIME_LIMIT)
        connection.connect(address)
        with wrap(connection) as stream:
            stream.sendall(request.encode())
            with stream.makefile("rb") as answer:
                return answer.read1(1024)


def plain(connection):
    return connection


def in_tls(connection):
    # It only matters whether the server answers, not who it is.
    return ssl._create_unverified_context().wrap_socket(connection)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
