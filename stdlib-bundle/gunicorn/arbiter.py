"""The master, as hooks see it."""

import os
import signal
import sys

from _rgunicorn import embedded
from gunicorn import SERVER_SOFTWARE
from gunicorn.errors import AppImportError, HaltServer
from gunicorn.pidfile import Pidfile

_SIGNALS = "HUP QUIT INT TERM TTIN TTOU USR1 USR2 WINCH".split()


class Arbiter:
    """The class of `server`, with which a hook can control the master. The master
    itself does the work, and not Python."""

    WORKER_BOOT_ERROR = 3
    APP_LOAD_ERROR = 4

    START_CTX = {}
    LISTENERS = []
    WORKERS = {}

    WAKEUP_REQUEST = signal.NSIG
    SIGNALS = [getattr(signal, f"SIG{name}") for name in _SIGNALS]
    SIG_NAMES = {number: number.name.removeprefix("SIG").lower() for number in signal.Signals}

    def __init__(self, app, log=None):
        self.log = log
        self.pid = os.getpid()
        self.master_pid = 0
        self.reexec_pid = 0
        self.master_name = "Master"
        self.worker_age = 0
        self.dirty_arbiter_pid = 0
        self.dirty_arbiter = None
        self.systemd = False
        self.WORKERS = {}
        self.LISTENERS = []
        self.START_CTX = {"args": sys.orig_argv[:], "cwd": os.getcwd(), 0: sys.executable}
        self.setup(app)
        self._wanted = self.cfg.workers
        self._changed = None
        # The hooks whose functions are called.
        self._hooks = None

    def setup(self, app):
        self.app = app
        self.cfg = app.cfg
        if self.log is None:
            self.log = self.cfg.logger_class(self.cfg)

    def run(self):
        """Becomes the server, as `BaseApplication.run` does."""
        kind = type(self)
        for name in dir(Arbiter):
            is_new = getattr(kind, name) is not getattr(Arbiter, name)
            if is_new and not name.startswith("_") and name != "run" and not embedded.serving:
                print(
                    f"Warning: {kind.__name__} overrides {name}(), which is never called: the "
                    "master is not written in Python.",
                    file=sys.stderr,
                )
        embedded.run(self.app)

    @property
    def timeout(self):
        return self.cfg.timeout

    @property
    def proc_name(self):
        return self.cfg.proc_name

    @property
    def address(self):
        return self.cfg.address

    @property
    def worker_class(self):
        return self.cfg.worker_class

    @property
    def pidfile(self):
        if self.cfg.pidfile is None:
            return None
        file = Pidfile(self.cfg.pidfile)
        file.pid = self.pid
        return file

    @property
    def num_workers(self):
        return self._wanted

    @num_workers.setter
    def num_workers(self, value):
        self._wanted = self._changed = int(value)

    def kill_worker(self, pid, sig):
        try:
            os.kill(pid, sig)
        except ProcessLookupError:
            self.WORKERS.pop(pid, None)

    def kill_workers(self, sig):
        for pid in list(self.WORKERS):
            self.kill_worker(pid, sig)

    def signal(self, sig, frame=None):
        os.kill(self.pid, sig)

    def reload(self):
        self.signal(signal.SIGHUP)

    def reexec(self):
        self.signal(signal.SIGUSR2)

    def stop(self, graceful=True):
        self.signal(signal.SIGTERM if graceful else signal.SIGQUIT)

    def halt(self, reason=None, exit_status=0):
        if exit_status:
            raise RuntimeError(
                "server.halt() cannot end the server with a status of its own; raise an "
                "exception in on_starting or when_ready, which ends it, too."
            )
        if reason is not None:
            self.log.info("Shutting down: %s", reason)
        self.stop()

    def __repr__(self):
        return f"<master {self.pid}>"


def _sending(number):
    return lambda self: self.signal(number)


def _at_once(self, *args, **kwargs):
    """The master does it itself when the hook has returned."""


def _refusing(name, advice):
    def refuse(self, *args, **kwargs):
        raise RuntimeError(f"server.{name}() cannot be called here: {advice}.")

    return refuse


for _name in _SIGNALS:
    setattr(Arbiter, f"handle_{_name.lower()}", _sending(getattr(signal, f"SIG{_name}")))
for _name in (
    "handle_chld handle_cld init_signals manage_dirty_arbiter manage_workers "
    "maybe_promote_master murder_workers reap_dirty_arbiter reap_workers signal_chld "
    "spawn_workers wakeup"
).split():
    setattr(Arbiter, _name, _at_once)
for _names, _advice in {
    "spawn_worker": "set server.num_workers, or send TTIN to server.pid",
    "start wait_for_signals": "the master runs already",
    "spawn_dirty_arbiter kill_dirty_arbiter handle_dirty_arbiter_exit": (
        "there are no dirty workers; run long work in a process of its own, such as a Celery "
        "or RQ worker"
    ),
}.items():
    for _name in _names.split():
        setattr(Arbiter, _name, _refusing(_name, _advice))

__all__ = ["AppImportError", "Arbiter", "HaltServer", "Pidfile", "SERVER_SOFTWARE"]
