"""Apps that speak ASGI."""

from gunicorn.workers.base import Worker


class ASGIWorker(Worker):
    """Apps that speak ASGI."""
