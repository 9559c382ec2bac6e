"""TLS with a local server, with good and bad certificates: handshake.py FOLDER

FOLDER has ca.pem, good.pem and good.key (for localhost, by that CA), and untrusted.pem
and untrusted.key (for localhost, by an unknown CA).
"""

import socket
import ssl
import sys
import threading
from pathlib import Path

FOLDER = Path(sys.argv[1])


def served(name):
    """A server that says hello once. Returns its port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(FOLDER / f"{name}.pem", FOLDER / f"{name}.key")
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        try:
            with context.wrap_socket(connection, server_side=True) as tls:
                tls.sendall(b"hello")
        except (ssl.SSLError, ConnectionError):
            pass

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


def fetch(name, context, host="localhost"):
    with socket.create_connection(("127.0.0.1", served(name))) as plain:
        with context.wrap_socket(plain, server_hostname=host) as tls:
            assert tls.version() == "TLSv1.3"
            return tls.recv(10)


def refused(name, context, host="localhost"):
    try:
        fetch(name, context, host)
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    raise AssertionError(f"{name} was believed")


ours = ssl.create_default_context(cafile=FOLDER / "ca.pem")
assert fetch("good", ours) == b"hello"
assert "self-signed" in refused("untrusted", ours)
assert "Hostname mismatch" in refused("good", ours, "example.org")
assert "unable to get local issuer" in refused("good", ssl.create_default_context())
