"""Greenlets."""

from gunicorn.workers.base_async import AsyncWorker


class GeventWorker(AsyncWorker):
    """Greenlets."""


class GeventPyWSGIWorker(GeventWorker):
    """Greenlets."""
