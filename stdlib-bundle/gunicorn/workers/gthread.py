"""Requests in several threads."""

from gunicorn.workers.base import Worker


class ThreadWorker(Worker):
    """Requests in several threads."""

    _built_in = "gthread"
    never_called = Worker.never_called | {
        "accept",
        "enqueue_req",
        "finish_request",
        "get_thread_pool",
        "handle",
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
