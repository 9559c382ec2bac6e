"""Workers that serve one request at a time."""

from gunicorn.workers.base import Worker


class SyncWorker(Worker):
    """Serves one request at a time."""

    _built_in = "sync"
    never_called = Worker.never_called | {
        "accept",
        "handle",
        "handle_request",
        "is_parent_alive",
        "run_for_multiple",
        "run_for_one",
        "wait",
    }


class StopWaiting(Exception):
    """Ends the wait for connections in Gunicorn's worker."""
