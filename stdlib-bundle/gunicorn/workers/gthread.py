"""Requests in several threads."""

from gunicorn.workers.base import Worker


class ThreadWorker(Worker):
    """Requests in several threads."""
