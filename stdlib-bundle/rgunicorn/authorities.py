"""Certificate authorities for hosts that have none."""

import os
import ssl

import _rgunicorn_bundle

# Where other systems than Debian and its relatives have theirs.
_OTHER_PLACES = (
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
)


def add_where_host_has_none(context):
    """Trust what the host trusts; only if the host has no list, our own.

    SSL_CERT_FILE and SSL_CERT_DIR always win, even if they do not exist.
    """
    paths = ssl.get_default_verify_paths()
    if paths.openssl_cafile_env in os.environ or paths.openssl_capath_env in os.environ:
        return
    if paths.cafile or _has_hashed_names(paths.openssl_capath):
        return
    for place in _OTHER_PLACES:
        if os.path.isfile(place):
            context.load_verify_locations(place)
            return
    context.load_verify_locations(
        cadata=_rgunicorn_bundle.data("lib/fallback/authorities.der")
    )


def _has_hashed_names(folder):
    """OpenSSL looks up certificates by hash, as in `5ad8a5d6.0`."""
    try:
        return any(name.endswith(".0") for name in os.listdir(folder))
    except OSError:
        return False
