"""The functions of a config file, and the objects that they are given.

The server calls the methods of `Hooks`; each brings the objects up to date
and calls one function.
"""

import os
import signal
import socket
import time
from urllib.parse import unquote

from _rgunicorn import current


class Hooks:
    def __init__(self, cfg):
        self.cfg = cfg
        self.worker = None

    def _refresh(self, pid, workers, listeners):
        from _rgunicorn import logger

        log = logger.of(self.cfg)
        # The master stays the same when it reads its settings again.
        if current.server is None:
            current.server = Server(self.cfg, log)
        self.server = current.server
        self.log = log
        self.server.cfg, self.server.log = self.cfg, log
        self.server.pid = pid
        self.server.__dict__["_wanted"] = workers
        self.server.LISTENERS = [Listener(*one) for one in listeners]

    def of_server(self, name, facts, *arguments):
        """Calls a function of the master. Gives the number of workers when the
        function has set one."""
        self._refresh(*facts)
        self.server.__dict__["_changed"] = None
        self.cfg.settings[name].get()(self.server, *arguments)
        return self.server.__dict__["_changed"]

    def pre_fork(self, facts, age):
        """A worker is about to be made."""
        self._refresh(*facts)
        self.worker = Worker(self.cfg, self.log, age, self.server)
        hook = self.cfg.settings["pre_fork"].get()
        if hook is not None:
            hook(self.server, self.worker)

    def forked(self, pid):
        """The worker was made."""
        if self.worker is not None:
            self.worker.pid = pid
            self.server.WORKERS[pid] = self.worker
            self.worker = None

    def post_fork(self, facts, age):
        """This process is the worker."""
        self._refresh(*facts)
        if self.worker is None:
            self.worker = Worker(self.cfg, self.log, age, self.server)
        self.server.pid = os.getppid()
        self.worker.pid = os.getpid()
        self.worker.ppid = os.getppid()
        self.worker.sockets = self.server.LISTENERS
        hook = self.cfg.settings["post_fork"].get()
        if hook is not None:
            hook(self.server, self.worker)

    def loaded(self, application):
        self.worker.wsgi = application
        self.worker.app.callable = application
        self.worker.booted = True

    def of_worker(self, name):
        self.worker.alive = name == "post_worker_init"
        self.worker.aborted = name == "worker_abort"
        self.cfg.settings[name].get()(self.worker)

    def worker_exit(self):
        self.worker.alive = False
        self.cfg.settings["worker_exit"].get()(self.server, self.worker)

    def child_exit(self, facts, pid):
        self._refresh(*facts)
        worker = self.server.WORKERS.pop(pid, None)
        if worker is None:
            worker = Worker(self.cfg, self.log, 0, self.server)
            worker.pid = pid
        hook = self.cfg.settings["child_exit"].get()
        if hook is not None:
            hook(self.server, worker)

    def pre_request(self, **facts):
        req = Request(**facts)
        self.worker.nr += 1
        hook = self.cfg.settings["pre_request"].get()
        if hook is not None:
            hook(self.worker, req)
        return req

    def post_request(self, req, environ, **facts):
        hook = self.cfg.settings["post_request"].get()
        if hook is not None:
            if environ is None:
                environ = req.environ()
            hook(self.worker, req, environ, Response(req=req, **facts))
        if not self.worker.alive:
            # A hook has said that this was the last request.
            os.kill(os.getpid(), signal.SIGTERM)


class Server:
    """The master, as `gunicorn.arbiter.Arbiter` shows it to hooks."""

    def __init__(self, cfg, log):
        self.__dict__.update(_wanted=cfg.workers, _changed=None)
        self.cfg = cfg
        self.log = log
        self.app = Application(cfg)
        self.pid = os.getpid()
        self.master_pid = 0
        self.reexec_pid = 0
        self.master_name = "Master"
        self.worker_age = 0
        self.WORKERS = {}
        self.LISTENERS = []
        self.systemd = False

    @property
    def timeout(self):
        return self.cfg.timeout

    @property
    def proc_name(self):
        return self.cfg.proc_name

    @property
    def pidfile(self):
        return self.cfg.pidfile

    @property
    def address(self):
        return self.cfg.address

    @property
    def worker_class(self):
        return self.cfg.worker_class

    @property
    def num_workers(self):
        return self._wanted

    @num_workers.setter
    def num_workers(self, value):
        self.__dict__["_wanted"] = self.__dict__["_changed"] = int(value)

    def __repr__(self):
        return f"<master {self.pid}>"


class Worker:
    """One worker, as `gunicorn.workers.base.Worker` shows it to hooks."""

    def __init__(self, cfg, log, age, server):
        self.age = age
        self.pid = "[booting]"
        self.ppid = server.pid
        self.sockets = server.LISTENERS
        self.app = Application(cfg)
        self.timeout = cfg.timeout / 2
        self.cfg = cfg
        self.log = log
        self.booted = False
        self.aborted = False
        self.reloader = None
        self.nr = 0
        self.max_requests = cfg.max_requests or 2**63 - 1
        self.alive = True
        self.wsgi = None
        self.tmp = Heartbeat()

    def notify(self):
        self.tmp.notify()

    def __str__(self):
        return f"<Worker {self.pid}>"


class Heartbeat:
    """The worker's sign of life. It is given by the server itself, out of
    Python's sight."""

    def __init__(self):
        self._last = time.monotonic()

    def notify(self):
        self._last = time.monotonic()

    def last_update(self):
        return self._last

    def close(self):
        pass


class Application:
    """The app's place in the server."""

    def __init__(self, cfg):
        self.cfg = cfg
        self.callable = None
        self.app_uri = cfg.wsgi_app

    def wsgi(self):
        return self.callable


class Listener:
    """A socket that the server listens at."""

    def __init__(self, fd, name):
        self._fd = fd
        self._name = name

    @property
    def sock(self):
        return socket.socket(fileno=os.dup(self._fd))

    def fileno(self):
        return self._fd

    def getsockname(self):
        with self.sock as sock:
            return sock.getsockname()

    def __str__(self):
        return self._name


class Request:
    """A request's head, as `gunicorn.http.message.Request` shows it."""

    def __init__(self, **facts):
        self.trailers = []
        self.body = None
        self.proxy_protocol_info = None
        self.fragment = ""
        self.__dict__.update(facts)

    def should_close(self):
        return self._close

    def environ(self):
        """What an environ would have of it, where the app has got none."""
        environ = {
            "REQUEST_METHOD": self.method,
            "PATH_INFO": unquote(self.path, "latin-1"),
            "QUERY_STRING": self.query,
            "RAW_URI": self.uri,
            "SERVER_PROTOCOL": "HTTP/{}.{}".format(*self.version),
            "REMOTE_ADDR": self.peer_addr[0] if self.peer_addr else "",
            "wsgi.url_scheme": self.scheme,
        }
        for name, value in self.headers:
            environ["HTTP_" + name.replace("-", "_")] = value
        return environ

    def __repr__(self):
        return f"<Request {self.method} {self.uri}>"


class Response:
    """An answer, as `gunicorn.http.wsgi.Response` shows it."""

    def __init__(self, req, status, headers, sent, headers_sent, close):
        self.req = req
        self.version = "rgunicorn"
        self.status = status
        self.status_code = int(status[:3]) if status[:3].isdigit() else None
        self.headers = headers
        self.sent = sent
        self.headers_sent = headers_sent
        lengths = [value for name, value in headers if name.lower() == "content-length"]
        self.response_length = int(lengths[0]) if lengths and lengths[0].isdigit() else None
        self._close = close

    def should_close(self):
        return self._close
