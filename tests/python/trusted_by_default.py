"""Which authorities are trusted by every way to ask for the defaults, on a host that
has none.

The arguments are a file with one authority, and a folder with its certificate for
localhost, `it.crt` and `it.key`.
"""

import asyncio
import http.client
import os
import ssl
import sys
import urllib.request

one = sys.argv[1]


def count(context):
    return context.cert_store_stats()["x509_ca"]


def empty():
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


# There is no file to report, and none is invented.
paths = ssl.get_default_verify_paths()
assert paths.cafile is None and paths.capath is None, paths

asked = empty()
asked.set_default_verify_paths()
assert count(asked) > 100
many = count(asked)
asked.set_default_verify_paths()
asked.load_default_certs()
assert count(asked) == many
loaded = empty()
loaded.load_default_certs()
assert count(loaded) == many
loaded = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
loaded.load_default_certs(ssl.Purpose.CLIENT_AUTH)
assert count(loaded) == many
assert count(ssl.create_default_context()) == many
assert count(ssl._create_stdlib_context(cert_reqs=ssl.CERT_REQUIRED)) == many
assert count(http.client.HTTPSConnection("localhost")._context) == many
[handler] = [h for h in urllib.request.build_opener().handlers
             if isinstance(h, urllib.request.HTTPSHandler)]
assert count(handler._context) == many


class Own(ssl.SSLContext):
    """As urllib3 and others have it."""


own = Own(ssl.PROTOCOL_TLS_CLIENT)
own.set_default_verify_paths()
assert count(own) == many

# If authorities are named, only these count.
assert count(ssl.create_default_context(cafile=one)) == 1
with open(one) as file:
    assert count(ssl.create_default_context(cadata=file.read())) == 1
named = empty()
named.load_verify_locations(one)
assert count(named) == 1
assert count(empty()) == 0
assert count(ssl._create_unverified_context()) == 0

# The variables always win, even if they do not exist.
for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
    for value, expected in ((one, 1), ("/nowhere", 0)):
        os.environ[name] = value
        told = empty()
        told.set_default_verify_paths()
        if name == "SSL_CERT_FILE":
            assert ssl.get_default_verify_paths().cafile == (one if expected else None)
            assert count(told) == expected, (name, value)
        else:
            assert count(told) == 0, (name, value)
    del os.environ[name]


async def connect():
    """asyncio makes its own context, which does not have this authority."""
    async def served(reader, writer):
        writer.close()

    served_by = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served_by.load_cert_chain(f"{sys.argv[2]}/it.crt", f"{sys.argv[2]}/it.key")
    server = await asyncio.start_server(served, "127.0.0.1", 0, ssl=served_by)
    host, port = server.sockets[0].getsockname()
    knows = ssl.create_default_context(cafile=one)
    knows.verify_flags &= ~ssl.VERIFY_X509_STRICT
    async with server:
        try:
            await asyncio.open_connection(host, port, ssl=True, server_hostname="localhost")
        except ssl.SSLCertVerificationError:
            pass
        else:
            raise AssertionError("an unknown authority was trusted")
        _, writer = await asyncio.open_connection(
            host, port, ssl=knows, server_hostname="localhost"
        )
        writer.close()


asyncio.run(connect())
