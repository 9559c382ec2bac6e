"""The uWSGI protocol, which the server does not support."""

from _rgunicorn import absent
from gunicorn.uwsgi.errors import (
    ForbiddenUWSGIRequest,
    InvalidUWSGIHeader,
    UnsupportedModifier,
    UWSGIParseException,
)

absent.package(
    __name__,
    "the uwsgi protocol is not spoken; let the proxy speak HTTP",
    """
    message: UWSGIRequest MAX_UWSGI_VARS=1000
    parser: UWSGIParser
    """,
)

from gunicorn.uwsgi.message import UWSGIRequest
from gunicorn.uwsgi.parser import UWSGIParser

__all__ = [
    "ForbiddenUWSGIRequest",
    "InvalidUWSGIHeader",
    "UWSGIParseException",
    "UWSGIParser",
    "UWSGIRequest",
    "UnsupportedModifier",
]
