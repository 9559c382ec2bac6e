"""Tornado's loop."""

from gunicorn.workers.base import Worker


class TornadoWorker(Worker):
    """Tornado's loop."""
