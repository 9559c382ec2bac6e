"""What is trusted if the host has no authorities, and if it has."""

import os
import ssl

from _rgunicorn import authorities


class Host:
    """A host with these default paths."""

    def __init__(self, cafile, capath):
        self.cafile, self.openssl_capath = cafile, capath
        self.openssl_cafile_env, self.openssl_capath_env = "SSL_CERT_FILE", "SSL_CERT_DIR"


def trusted(host, places=()):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authorities.ssl.get_default_verify_paths = lambda: host
    authorities._OTHER_PLACES = places
    authorities.add_where_host_has_none(context)
    return context.cert_store_stats()["x509_ca"]


for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
    os.environ.pop(name, None)
assert trusted(Host(None, "/nowhere")) > 100
assert trusted(Host("/etc/ssl/cert.pem", "/nowhere")) == 0
assert trusted(Host(None, "/nowhere"), [os.environ["ONE_AUTHORITY"]]) == 1
os.environ["SSL_CERT_FILE"] = "/nowhere"
assert trusted(Host(None, "/nowhere")) == 0
