"""Workers with an event loop."""

from _rgunicorn import absent
from gunicorn.workers.base import Worker


class AsyncWorker(Worker):
    """Workers with an event loop."""

    never_called = Worker.never_called | {
        "handle",
        "handle_http2",
        "handle_http2_request",
        "handle_request",
        "is_already_handled",
        "timeout_ctx",
    }

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.worker_connections = self.cfg.worker_connections


# The response of an app that has sent its response itself.
ALREADY_HANDLED = object()

__getattr__ = absent.elsewhere(__name__, absent.OF_HTTP2)
