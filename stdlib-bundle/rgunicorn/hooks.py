"""The functions of a config file, and the objects that they get.

The server calls the methods of `Hooks`. Each method updates the objects and calls one
function.
"""

import io
import os
import socket
from urllib.parse import unquote

from _rgunicorn import current, embedded, server_names
from _rgunicorn.worker import Application


class Hooks:
    def __init__(self, cfg):
        self.cfg = cfg
        self.worker = None
        self.worker_class = self.cfg.worker_class
        if hasattr(self.worker_class, "setup"):
            self.worker_class.setup()

    def _refresh(self, pid, workers, listeners):
        from _rgunicorn import logger
        from gunicorn.arbiter import Arbiter

        self.log = self.cfg.reader = logger.of(self.cfg)
        # The master stays the same when it reads its settings again.
        if current.server is None:
            current.server = Arbiter(application(self.cfg), self.log)
        self.server = current.server
        # Objects that a hook has replaced stay until the settings are read again.
        if self.server._hooks is not self:
            self.server._hooks = self
            self.server.cfg, self.server.log = self.cfg, self.log
        self.server.pid = pid
        self.server._wanted = workers
        self.server._changed = None
        self.server.LISTENERS = [Listener(*one) for one in listeners]

    def check_class(self):
        """Lets the worker class check the settings."""
        from _rgunicorn import logger

        if hasattr(self.worker_class, "check_config"):
            self.worker_class.check_config(self.cfg, logger.of(self.cfg))

    def of_server(self, name, facts, *arguments):
        """Calls a function of the master. Returns the number of workers if the function
        has set one."""
        self._refresh(*facts)
        getattr(self.cfg, name)(self.server, *arguments)
        return self.server._changed

    def pre_fork(self, facts, age):
        """A worker will be made."""
        self._refresh(*facts)
        self.worker = self._new_worker(age)

    def call_pre_fork(self):
        self.cfg.pre_fork(self.server, self.worker)

    def forked(self, pid):
        """The worker was made."""
        if self.worker is not None:
            self.worker.pid = pid
            self.server.WORKERS[pid] = self.worker
            self.worker = None

    def post_fork(self, facts, age, preloaded):
        """This process is the worker. `preloaded` is the app, or None."""
        self._refresh(*facts)
        if self.worker is None:
            self.worker = self._new_worker(age)
        self.server.pid = os.getppid()
        self.worker.pid = os.getpid()
        self.worker.ppid = os.getppid()
        self.worker.sockets = self.server.LISTENERS
        if preloaded is not None:
            self.worker.app.callable = preloaded
        self.cfg.post_fork(self.server, self.worker)

    def live(self, steps):
        """The life of the worker. Returns at its end."""
        worker = self.worker
        worker.steps = steps
        if isinstance(worker.app, Application):
            worker.app.loader = steps.load
        elif worker.app is embedded.captured:
            embedded.load_by(steps.load)
        worker.init_process()

    def of_worker(self, name):
        if name == "worker_abort":
            self.worker.aborted = True
        if name != "post_worker_init":
            self.worker._alive = False
        getattr(self.cfg, name)(self.worker)

    def worker_exit(self):
        self.worker._alive = False
        self.cfg.worker_exit(self.server, self.worker)

    def child_exit(self, facts, pid):
        self._refresh(*facts)
        worker = self.server.WORKERS.pop(pid, None)
        if worker is None:
            worker = self._new_worker(0)
            worker.pid = pid
        self.cfg.child_exit(self.server, worker)
        return self.server._changed

    def pre_request(self, **facts):
        req = Request(**facts)
        self.worker.nr += 1
        req.cfg, req.req_number = self.cfg, self.worker.nr
        for name in ("limit_request_line", "limit_request_fields", "limit_request_field_size"):
            setattr(req, name, getattr(self.cfg, name))
        try:
            self.cfg.pre_request(self.worker, req)
        except Exception:
            # As in Gunicorn, there is neither an environ nor a response.
            self.cfg.post_request(self.worker, req, {}, None)
            raise
        return req

    def post_request(self, req, environ, **facts):
        if environ is None:
            environ = req.environ()
        resp = Response(req=req, cfg=self.cfg, **facts)
        self.cfg.post_request(self.worker, req, environ, resp)

    def _new_worker(self, age):
        server = self.server
        return self.worker_class(
            age,
            server.pid,
            server.LISTENERS,
            server.app,
            server.timeout / 2,
            server.cfg,
            server.log,
        )


def application(cfg):
    """What hooks get as `app`: the script's own application if a script serves."""
    return embedded.captured or Application(cfg)


class Listener:
    """A socket that the server listens on."""

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
    """The head of a request, as `gunicorn.http.message.Request` shows it."""

    def __init__(self, **facts):
        self.trailers = []
        self.body = io.BytesIO()
        self.proxy_protocol_info = None
        self.fragment = ""
        self.unreader = None
        self.must_close = False
        self.__dict__.update(facts)
        self._came = {**facts, "headers": list(self.headers)}

    def should_close(self):
        return self.must_close or self._close

    def force_close(self):
        self.must_close = True

    def amend(self, environ):
        """Copies what a hook has changed in the request into its environ."""
        came = self._came
        for name, key in _IN_ENVIRON.items():
            if getattr(self, name) != came[name]:
                environ[key] = getattr(self, name)
        if self.path != came["path"]:
            path = self.path.removeprefix(environ["SCRIPT_NAME"])
            environ["PATH_INFO"] = unquote(path, "latin-1")
        if self.headers != came["headers"]:
            before, now = _by_key(came["headers"]), _by_key(self.headers)
            for key in before.keys() | now.keys():
                if key not in now:
                    environ.pop(key, None)
                elif before.get(key) != now[key]:
                    environ[key] = ("; " if key == "HTTP_COOKIE" else ",").join(now[key])

    def environ(self):
        """The environ that the request would have, if the app got none."""
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


# Attributes of a request that are entries of its environ.
_IN_ENVIRON = {
    "method": "REQUEST_METHOD",
    "query": "QUERY_STRING",
    "scheme": "wsgi.url_scheme",
    "uri": "RAW_URI",
}


def _by_key(headers):
    """The values of header fields by their entry in the environ."""
    found = {}
    for name, value in headers:
        key = name.upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        found.setdefault(key, []).append(value)
    return found


class Response:
    """A response, as `gunicorn.http.wsgi.Response` shows it."""

    def __init__(self, req, cfg, status, headers, sent, headers_sent, close):
        self.req = req
        self.cfg = cfg
        self.sock = None
        self.version = server_names.header(cfg.server_header)
        self.must_close = False
        self.upgrade = False
        self.status = status or None
        self.status_code = int(status[:3]) if status[:3].isdigit() else None
        self.headers = headers
        self.sent = sent
        self.headers_sent = headers_sent
        lengths = [value for name, value in headers if name.lower() == "content-length"]
        self.response_length = int(lengths[0]) if lengths and lengths[0].isdigit() else None
        has_body = req.method != "HEAD" and self.status_code not in (204, 304)
        self.chunked = self.response_length is None and has_body and req.version > (1, 0)
        self._close = close

    def should_close(self):
        return self._close

    def is_chunked(self):
        return self.chunked
