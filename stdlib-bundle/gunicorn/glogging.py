"""The logger."""

from _rgunicorn.logger import Logger

__all__ = ["Logger"]
