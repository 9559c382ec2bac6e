"""Both logs as Python code sees them.

The handlers of Python's loggers `gunicorn.error` and `gunicorn.access` are the server's
own logs. While nobody has changed the loggers, the server writes its lines without
them. If they have a filter, another handler or formatter, or if `logger_class` is not
Gunicorn's, all lines go through them.
"""

import datetime
import functools
import logging
import sys
import threading
import time
import traceback
import types

import _rgunicorn_log
from _rgunicorn import current, log_handlers, watching
from _rgunicorn.log_atoms import Atoms, SafeAtoms
from _rgunicorn.log_handlers import AccessHandler, ErrorHandler

LEVELS = {
    "critical": logging.CRITICAL,
    "error": logging.ERROR,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}


def level_of(name):
    """The number of a level; an unknown one counts as `info`."""
    return LEVELS.get(str(name).lower(), logging.INFO)


def goes_to_syslog(cfg):
    """Whether the access log goes to syslog with these settings."""
    return cfg.syslog and not cfg.disable_redirect_access_to_syslog


def has_config(cfg):
    """Whether these settings configure `logging`."""
    return bool(cfg.logconfig or cfg.logconfig_dict or cfg.logconfig_json)


class Logger:
    """The `log` of hooks and workers, and the base of a `logger_class`."""

    LOG_LEVELS = LEVELS
    loglevel = logging.INFO
    error_fmt = log_handlers.ERROR_FORMAT
    datefmt = log_handlers.DATE_FORMAT
    access_fmt = log_handlers.ACCESS_FORMAT
    syslog_fmt = "[%(process)d] %(message)s"
    atoms_wrapper_class = SafeAtoms

    def __init__(self, cfg):
        attach()
        self.error_log, self.access_log = _both()
        self.error_handlers = []
        self.access_handlers = []
        self.logfile = None
        self.lock = threading.Lock()
        self.cfg = cfg
        # `setup`, which may be overridden, decides which handlers there are.
        for log in _both():
            self._remove_handler(log)
        self.setup(cfg)

    def setup(self, cfg):
        self.cfg = cfg
        self.loglevel = level_of(cfg.loglevel)
        self.error_log.setLevel(self.loglevel)
        self.access_log.setLevel(logging.INFO)
        form = logging.Formatter(self.error_fmt, self.datefmt)
        self._set_handler(self.error_log, cfg.errorlog, form)
        if cfg.accesslog is not None or goes_to_syslog(cfg):
            form = logging.Formatter(self.access_fmt)
            self._set_handler(self.access_log, cfg.accesslog, form, sys.stdout)
        if has_config(cfg):
            from _rgunicorn import log_config

            log_config.configure(cfg)

    def critical(self, msg, *args, **kwargs):
        self._tell(logging.CRITICAL, msg, args, kwargs)

    def error(self, msg, *args, **kwargs):
        self._tell(logging.ERROR, msg, args, kwargs)

    def warning(self, msg, *args, **kwargs):
        self._tell(logging.WARNING, msg, args, kwargs)

    def info(self, msg, *args, **kwargs):
        self._tell(logging.INFO, msg, args, kwargs)

    def debug(self, msg, *args, **kwargs):
        self._tell(logging.DEBUG, msg, args, kwargs)

    def exception(self, msg, *args, **kwargs):
        self._tell(logging.ERROR, msg, args, {"exc_info": True, **kwargs})

    def log(self, lvl, msg, *args, **kwargs):
        if isinstance(lvl, str):
            lvl = level_of(lvl)
        self._tell(lvl, msg, args, kwargs)

    def _tell(self, level, msg, args, kwargs):
        """Writes a record, unless it is only a metric for statsd."""
        extra = kwargs.get("extra") or {}
        metric = [extra.get(key) for key in ("mtype", "metric", "value")]
        if None not in metric:
            _rgunicorn_log.metric(*map(str, metric))
            if not msg:
                return
        self.error_log.log(level, msg, *args, **kwargs)

    def atoms(self, resp, req, environ, request_time):
        user = self._get_user(environ)
        return Atoms(resp, req, environ, request_time, self.now(), user)

    @property
    def access_log_enabled(self):
        cfg = self.cfg
        return bool(cfg.accesslog or has_config(cfg) or goes_to_syslog(cfg))

    def access(self, resp, req, environ, request_time):
        """Writes the line of a request that took `request_time` (a timedelta)."""
        if not self.access_log_enabled:
            return
        atoms = self.atoms_wrapper_class(self.atoms(resp, req, environ, request_time))
        try:
            self.access_log.info(self.cfg.access_log_format, atoms)
        except Exception:
            self.error(traceback.format_exc())

    def now(self):
        return time.strftime("[%d/%b/%Y:%H:%M:%S %z]")

    def reopen_files(self):
        """Reopens the files of all handlers. The server reopens its own."""
        reopen_files()

    def close_on_exec(self):
        """Does nothing: Python closes its files at exec, and so does the server."""

    def _get_user(self, environ):
        """The user in HTTP basic authentication (RFC 7617)."""
        import base64

        scheme, _, credentials = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            given = base64.b64decode(credentials.strip()).decode("utf-8")
        except ValueError as error:
            self.debug("Couldn't get username: %s", error)
            return None
        user, colon, _ = given.partition(":")
        return user if colon else None

    def _get_gunicorn_handler(self, log):
        for handler in log.handlers:
            if getattr(handler, "_gunicorn", False):
                return handler
        return None

    def _remove_handler(self, log):
        old = self._get_gunicorn_handler(log)
        if old is not None:
            log.removeHandler(old)

    def _set_handler(self, log, output, fmt, stream=None):
        """Sends `log` to `output`: a path, `-` for the stream, None for nowhere."""
        self._remove_handler(log)
        own = _rgunicorn_log.settings()
        if log is self.error_log and output == own["errorlog"] and stream in (None, sys.stderr):
            handler = ErrorHandler()
        elif log is self.access_log and output == own["accesslog"] and stream in (None, sys.stdout):
            handler = AccessHandler()
        elif output is None:
            return
        elif output == "-":
            handler = logging.StreamHandler(stream)
        else:
            handler = logging.FileHandler(output)
        handler.setFormatter(fmt)
        handler._gunicorn = True
        log.addHandler(handler)
        if isinstance(handler, log_handlers.OwnHandler):
            watching.watch(handler, ["filters"], changed)

    def _set_syslog_handler(self, log, cfg, fmt, name):
        """Does nothing: the server's own logs go to syslog themselves."""


# The logger of this process (or None), the settings it was made for, and what it has
# added to Python's loggers.
logger = None
made_for = None
added = []


def of(cfg):
    """The logger for these settings."""
    global logger, made_for, added
    if made_for is not cfg:
        take_back()
        before = [*_parts()]
        logger = cfg.logger_class(cfg)
        made_for = cfg
        if cfg.syslog:
            for name in ("syslog_fmt", "_set_syslog_handler"):
                if getattr(type(logger), name) is not getattr(Logger, name):
                    logger.warning(
                        "The logger class overrides %s, which is not asked: lines for syslog "
                        "have the server's form.",
                        name,
                    )
        added = [part for part in _parts() if part not in before]
        changed()
    return logger


def remove():
    """Gives both loggers the server's own logs again."""
    take_back()
    for log in _both():
        restore(log)


def take_back():
    """Removes what the logger has added, so that another one can be made."""
    global logger, made_for
    logger = made_for = None
    for log, part in added:
        if part in log.filters:
            log.removeFilter(part)
        if part in log.handlers:
            log.removeHandler(part)
            part.close()
    added.clear()


def _both():
    return logging.getLogger("gunicorn.error"), logging.getLogger("gunicorn.access")


def _parts():
    for log in _both():
        for part in [*log.handlers, *log.filters]:
            yield log, part


def is_custom():
    """Whether the logger differs from Gunicorn's: the user has another class, or has
    changed Gunicorn's."""
    is_ours = type(logger).__module__.partition(".")[0] in ("_rgunicorn", "gunicorn", "builtins")
    return not is_ours or logger is not None and is_patched()


def is_patched():
    """Whether somebody has changed Gunicorn's class."""
    now = vars(Logger)
    return now.keys() != as_made.keys() or any(now[name] is not as_made[name] for name in as_made)


def settle(cfg):
    """Applies settings that do not need their own logger."""
    attach()
    if cfg is not None and is_patched():
        of(cfg)
    elif made_for is not cfg:
        remove()


def attach():
    """Makes the server's own logs the handlers of both loggers, as apps expect that add
    their own loggers to them, and watches for changes."""
    for log in _both():
        if not watching.is_watched(log):
            log.propagate = False
            watching.watch(log, ["filters", "handlers"], changed)
            # A logging configuration of the app disables loggers that it does not
            # mention. This must not lose the server's lines.
            type(log).disabled = property(lambda log: False, lambda log, value: None)
            restore(log)


def restore(log):
    """Gives one of the two loggers the server's own log again. Other handlers stay."""
    for handler in log.handlers[:]:
        if isinstance(handler, log_handlers.OwnHandler):
            log.removeHandler(handler)
    settings = _rgunicorn_log.settings()
    is_error = log.name == "gunicorn.error"
    log.setLevel(level_of(settings["loglevel"]) if is_error else logging.INFO)
    if is_error or settings["is_accessed"]:
        handler = ErrorHandler() if is_error else AccessHandler()
        watching.watch(handler, ["filters"], changed)
        log.addHandler(handler)


def changed():
    """Tells the server which log's lines must go through Python."""
    error, access = _both()
    settings = _rgunicorn_log.settings()
    _rgunicorn_log.divert(
        python_logs,
        is_custom() or not is_plain(error, level_of(settings["loglevel"]), 1),
        is_custom() or not is_plain(access, logging.INFO, int(settings["is_accessed"])),
        error.getEffectiveLevel(),
    )


def level_changed():
    """Applies the level that the server's error log has now."""
    level = level_of(_rgunicorn_log.settings()["loglevel"])
    logging.getLogger("gunicorn.error").setLevel(level)
    if logger is not None:
        logger.loglevel = level
    changed()


def is_plain(log, level, count):
    """Whether nobody has changed a logger: it has `count` handlers of ours and nothing
    else."""
    return (
        not log.filters
        and not log.propagate
        and log.level == level
        and len(log.handlers) == count
        and all(isinstance(it, log_handlers.OwnHandler) and it.is_plain() for it in log.handlers)
        and not any(callable(value) for value in vars(log).values())
    )


def reopen_files():
    """Reopens the files of all handlers in Python, also those of the app."""
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    for handler in {one for log in loggers for one in getattr(log, "handlers", ())}:
        if isinstance(handler, logging.FileHandler):
            with handler.lock:
                if handler.stream is not None:
                    _reopen(handler)


def _reopen(handler):
    try:
        new = handler._open()
    except OSError as error:
        path = handler.baseFilename
        logging.getLogger("gunicorn.error").error(
            "The log file %r cannot be opened: %s.", path, error.strerror
        )
    else:
        handler.setStream(new).close()


class PythonLogs:
    """The server calls this for lines that go through Python."""

    def error(self, level, message):
        if not is_custom():
            logging.getLogger("gunicorn.error").log(level, message)
        elif level == logging.ERROR and "Traceback (most recent call last):" in message:
            logger.exception(message, exc_info=False)
        else:
            getattr(logger, logging.getLevelName(level).lower())(message)

    def access(
        self, microseconds, status, fields, sent, environ, protocol, address, id, trace, **request
    ):
        from _rgunicorn.hooks import Request, Response

        peer = (address, 0) if address else ""
        version = (1, 0) if protocol.endswith("1.0") else (1, 1)
        req = Request(**request, version=version, peer_addr=peer, remote_addr=peer, scheme="http")
        log = logger or _minimal_logger()
        resp = Response(req, log.cfg, status, fields, sent, True, True)
        if environ is None:
            environ = req.environ()
            environ["SERVER_PROTOCOL"] = protocol
            if id:
                environ["REQUEST_ID"] = id
        if trace:
            environ["rgunicorn.trace_id"], environ["rgunicorn.span_id"] = trace
        taken = datetime.timedelta(microseconds=microseconds)
        log.access(resp, req, environ, taken)

    def raw(self, text):
        """Text that the app has written to `wsgi.errors`."""
        is_written = False
        for handler in logging.getLogger("gunicorn.error").handlers:
            stream = getattr(handler, "stream", None)
            if stream is not None:
                stream.write(text)
                stream.flush()
                is_written = is_written or stream is sys.stderr
        if not is_written and _rgunicorn_log.settings()["errorlog"] == "-":
            _rgunicorn_log.raw(text)

    def reopen(self):
        if logger is None:
            reopen_files()
        else:
            logger.reopen_files()


@functools.cache
def _minimal_logger():
    """A logger with only the necessary settings, for an app that has changed one of
    Python's loggers, in a server that does not use Python's logging otherwise."""
    minimal = Logger.__new__(Logger)
    minimal.cfg = types.SimpleNamespace(
        **_rgunicorn_log.settings(),
        logconfig=None,
        logconfig_dict=None,
        logconfig_json=None,
        server_header="",
    )
    minimal.error_log, minimal.access_log = _both()
    return minimal


python_logs = PythonLogs()
as_made = dict(vars(Logger))

if current.serving:
    attach()
