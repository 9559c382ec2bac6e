"""Exceptions of Gunicorn."""

from _rgunicorn.app import AppImportError


class HaltServer(BaseException):
    def __init__(self, reason, exit_status=1):
        self.reason = reason
        self.exit_status = exit_status

    def __str__(self):
        return f"<HaltServer {self.reason!r} {self.exit_status}>"


class ConfigError(Exception):
    """A setting is wrong."""


__all__ = ["AppImportError", "ConfigError", "HaltServer"]
