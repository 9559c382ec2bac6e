"""The demo site: one page that tells what serves it, from inside a zip."""

from demo.site import application

__all__ = ["application"]
