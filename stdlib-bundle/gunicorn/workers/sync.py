"""One request at a time."""

from gunicorn.workers.base import Worker


class SyncWorker(Worker):
    """One request at a time."""
