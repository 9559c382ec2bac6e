"""Workers for ASGI apps."""

from _rgunicorn import absent
from gunicorn.workers.base import Worker


class ASGIWorker(Worker):
    """Serves ASGI apps."""

    _built_in = "asgi"
    handlers = {number: f"{name}_signal" for number, name in Worker.handlers.items()}

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.worker_connections = self.cfg.worker_connections

    def handle_exit_signal(self):
        self.alive = False

    def handle_quit_signal(self):
        self.alive = False

    def handle_abort_signal(self):
        self.alive = False

    def handle_usr1_signal(self):
        """Does nothing: the server reopens its logs itself."""

    def handle_winch_signal(self):
        """Does nothing."""

    def _handler(self, handler):
        if self.handlers is Worker.handlers:
            return super()._handler(handler)
        return super()._handler(lambda sig, frame: handler())

    @property
    def asgi(self):
        return self.wsgi

    @asgi.setter
    def asgi(self, app):
        self.wsgi = app

    @classmethod
    def check_config(cls, cfg, log):
        """The server checks its settings itself."""


__getattr__ = absent.elsewhere(__name__, {"gunicorn.asgi.protocol": "ASGIProtocol"})
