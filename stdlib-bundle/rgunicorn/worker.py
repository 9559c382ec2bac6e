"""A worker, as `gunicorn.workers.base.Worker` shows it to hooks and to classes that
derive from one.

Its life is `init_process`, with the steps in Gunicorn's order. The methods of `steps`
are the server's own part.
"""

import os
import signal
import threading
import time

from _rgunicorn import worker_classes

# Signals that end a worker.
ENDINGS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGABRT)

# The number of requests for workers that are not replaced.
ENDLESS = 2**63 - 1

# Seconds between two calls of an overridden `notify`.
PULSE = 1.0


class Worker:
    """One worker process."""

    # The built-in worker that serves for the class.
    _built_in = None
    # Methods that Gunicorn would call, but this server never does.
    never_called = frozenset({"handle_error"})

    SIGNALS = [
        getattr(signal, f"SIG{name}")
        for name in ("ABRT", "HUP", "QUIT", "INT", "TERM", "USR1", "USR2", "WINCH", "CHLD")
    ]
    PIPE = []

    # Methods that a class may override for a signal. The server also does its own part.
    handlers = {
        signal.SIGTERM: "handle_exit",
        signal.SIGINT: "handle_quit",
        signal.SIGQUIT: "handle_quit",
        signal.SIGABRT: "handle_abort",
        signal.SIGUSR1: "handle_usr1",
        signal.SIGWINCH: "handle_winch",
    }

    steps = None
    _alive = True
    _serves = False
    # Whether it has received a signal that ends it.
    _ends = False

    def __init__(self, age, ppid, sockets, app, timeout, cfg, log):
        self.age = age
        self.pid = "[booting]"
        self.ppid = ppid
        self.sockets = sockets
        self.app = app
        self.timeout = timeout
        self.cfg = cfg
        self.log = log
        self.booted = False
        self.aborted = False
        self.reloader = None
        self.nr = 0
        self.max_requests = cfg.max_requests or ENDLESS
        self.wsgi = None
        self.tmp = Heartbeat()

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if worker_classes.is_ours(cls):
            for name in cls.never_called.difference(dir(cls)):
                setattr(cls, name, _refusing(name))

    def __str__(self):
        return f"<Worker {self.pid}>"

    @property
    def alive(self):
        return self._alive

    @alive.setter
    def alive(self, value):
        is_end = self._alive and not value
        self._alive = bool(value)
        if is_end and self._serves and not self._ends:
            os.kill(os.getpid(), signal.SIGTERM)

    def notify(self):
        self.tmp.notify()

    def init_process(self):
        """The life of the worker. Returns when the worker ends."""
        self.init_signals()
        self.load_wsgi()
        self.steps.post_worker_init()
        self.booted = True
        self.run()

    def init_signals(self):
        for number, name in self.handlers.items():
            if worker_classes.is_overridden(type(self), name):
                signal.signal(number, self._handler(getattr(self, name)))

    def load_wsgi(self):
        self.wsgi = self.app.wsgi()

    def run(self):
        """Serves until the worker must end."""
        self._serves = True
        if worker_classes.is_overridden(type(self), "notify"):
            threading.Thread(target=self._notify, name="notify", daemon=True).start()
        if not self.alive:
            os.kill(os.getpid(), signal.SIGTERM)
        is_set = self.max_requests != (self.cfg.max_requests or ENDLESS)
        self.steps.serve(self.wsgi, self.max_requests if is_set else None)
        self._serves = self._alive = False

    def handle_exit(self, sig, frame):
        self.alive = False

    def handle_quit(self, sig, frame):
        self.alive = False

    def handle_abort(self, sig, frame):
        self.alive = False

    def handle_usr1(self, sig, frame):
        """Does nothing: the server reopens its logs itself."""

    def handle_winch(self, sig, fname):
        """Does nothing."""

    def _handler(self, handler):
        def handle(sig, frame):
            self._ends |= sig in ENDINGS
            handler(sig, frame)

        return handle

    def _notify(self):
        while self._serves:
            self.notify()
            time.sleep(PULSE)


def _refusing(name):
    """A method that exists but cannot be used."""

    def refuse(self, *args, **kwargs):
        raise RuntimeError(
            f"{type(self).__name__}.{name}() cannot be called here: the server answers requests "
            "itself."
        )

    return refuse


class Heartbeat:
    """The heartbeat of the worker. The server itself sends it, without Python."""

    def __init__(self):
        self._last = time.monotonic()

    def notify(self):
        self._last = time.monotonic()

    def last_update(self):
        return self._last

    def close(self):
        pass


class Application:
    """The app in the server, as `gunicorn.app.base.BaseApplication` shows it to
    hooks."""

    def __init__(self, cfg):
        self.cfg = cfg
        self.callable = None
        self.app_uri = cfg.wsgi_app
        self.loader = None

    def load(self):
        """Loads the app, or returns the one that was loaded before the fork."""
        if self.app_uri is not None and self.app_uri != self.cfg.wsgi_app:
            from _rgunicorn import app

            return app.load(self.app_uri)
        if self.loader is None:
            raise RuntimeError("The app is loaded in the workers, after post_fork.")
        return self.loader()

    def wsgi(self):
        if self.callable is None:
            self.callable = self.load()
        return self.callable
