"""Workers with an event loop."""

from gunicorn.workers.base import Worker


class AsyncWorker(Worker):
    """Workers with an event loop."""
