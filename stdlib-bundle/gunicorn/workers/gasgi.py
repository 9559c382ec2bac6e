"""Apps that speak ASGI."""

from gunicorn.workers.base import Worker


class ASGIWorker(Worker):
    """Apps that speak ASGI."""

    kind = "asgi"
    never_called = Worker.never_called | {
        "handle_abort_signal",
        "handle_exit_signal",
        "handle_quit_signal",
        "handle_usr1_signal",
        "handle_winch_signal",
    }

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.worker_connections = self.cfg.worker_connections

    @property
    def asgi(self):
        return self.wsgi

    @asgi.setter
    def asgi(self, app):
        self.wsgi = app
