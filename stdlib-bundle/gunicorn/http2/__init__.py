"""HTTP/2. The server speaks it itself, and not in Python."""

from _rgunicorn import absent
from gunicorn.http2.errors import HTTP2NotAvailable

H2_MIN_VERSION = (4, 1, 0)


def is_http2_available():
    return True


def get_h2_version():
    return None


def get_http2_connection_class():
    raise HTTP2NotAvailable


get_async_http2_connection_class = get_http2_connection_class

absent.package(
    __name__,
    "the server speaks HTTP/2 itself, and not in Python",
    """
    async_connection: AsyncHTTP2Connection RST_STREAM_RATE_LIMIT=200 RST_STREAM_RATE_WINDOW=10.0
        CONTROL_FRAME_RATE_LIMIT=1000 CONTROL_FRAME_RATE_WINDOW=10.0
    connection: HTTP2ServerConnection RST_STREAM_RATE_LIMIT=200 RST_STREAM_RATE_WINDOW=10.0
        CONTROL_FRAME_RATE_LIMIT=1000 CONTROL_FRAME_RATE_WINDOW=10.0 MAX_DEFERRED_EVENTS=10000
    h2conn: server_connection_class
    negotiation: preface_match peer_trusted_for_h2c prior_knowledge_allowed mismatch_is_error
        upgrade_allowed read_preface_blocking upgrade_settings H2C_PREFACE_TIMEOUT=1.0
        H2C_UPGRADE_BODY_LIMIT=65536 MATCH='match' PARTIAL='partial' MISMATCH='mismatch'
    request: HTTP2Body HTTP2Request
    response: HTTP2Response
    stream: HTTP2Stream StreamState
    """,
)

__all__ = [
    "H2_MIN_VERSION",
    "get_async_http2_connection_class",
    "get_h2_version",
    "get_http2_connection_class",
    "is_http2_available",
]
