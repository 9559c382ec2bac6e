"""HTTP/1.1 in Python, for code that parses or responds itself. The server has its
own."""

from gunicorn.http.message import Message, Request
from gunicorn.http.parser import RequestParser


def get_parser(cfg, source, source_addr, http2_connection=False):
    """A parser for the requests from this socket or these pieces."""
    if http2_connection:
        from gunicorn.http2.connection import HTTP2ServerConnection

        return HTTP2ServerConnection(cfg, source, source_addr)
    if getattr(cfg, "protocol", "http") == "uwsgi":
        from gunicorn.uwsgi.parser import UWSGIParser

        return UWSGIParser(cfg, source, source_addr)
    return RequestParser(cfg, source, source_addr)


__all__ = ["Message", "Request", "RequestParser", "get_parser"]
