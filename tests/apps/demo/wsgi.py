"""The demo site: one page, in a zip, that shows what serves it."""

from demo.site import application

__all__ = ["application"]
