"""Workers with threads."""

from _rgunicorn import absent
from gunicorn.workers.base import Worker


class ThreadWorker(Worker):
    """Serves requests in several threads."""

    _built_in = "gthread"
    never_called = Worker.never_called | {
        "accept",
        "enqueue_req",
        "finish_request",
        "get_thread_pool",
        "handle",
        "handle_h2c_upgrade",
        "handle_http2",
        "handle_http2_request",
        "handle_request",
        "is_parent_alive",
        "murder_keepalived",
        "murder_pending",
        "on_client_socket_readable",
        "on_pending_socket_readable",
        "set_accept_enabled",
        "wait_for_and_dispatch_events",
    }

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.worker_connections = self.cfg.worker_connections

    @classmethod
    def check_config(cls, cfg, log):
        """The server checks its settings itself."""


absent.fill(
    globals(),
    "the server keeps its connections itself",
    "PollableMethodQueue TConn DEFAULT_WORKER_DATA_TIMEOUT=5.0 STOP_KEEPALIVE_LINGER=2.0",
)

__getattr__ = absent.elsewhere(__name__, absent.OF_HTTP2)
