"""The error log as Python code sees it."""

import logging
import traceback

import _rgunicorn_log

LEVELS = {
    "critical": logging.CRITICAL,
    "error": logging.ERROR,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}


class Handler(logging.Handler):
    """Hands records to the server's error log, which adds the time, the
    process and the level, and knows the file."""

    def emit(self, record):
        try:
            text = record.getMessage()
            if record.exc_info:
                text += "\n" + "".join(traceback.format_exception(*record.exc_info)).rstrip()
            elif record.exc_text:
                text += "\n" + record.exc_text
            if record.stack_info:
                text += "\n" + record.stack_info
            text = text.encode("utf-8", "backslashreplace").decode()
            _rgunicorn_log.write(record.levelno, text.replace("\0", "\\x00"))
        except Exception:
            self.handleError(record)


configured = False
"""Whether a logging config says where the error log goes."""


def attach():
    """Lets Python's logger `gunicorn.error` write to the error log, as apps
    expect that hang their own loggers to it."""
    log = logging.getLogger("gunicorn.error")
    if not configured and not any(isinstance(handler, Handler) for handler in log.handlers):
        log.addHandler(Handler())
        log.propagate = False
        log.setLevel(_rgunicorn_log.level())
    return log


class Logger:
    """What hooks and workers call `log`."""

    LOG_LEVELS = LEVELS
    loglevel = logging.INFO
    error_fmt = r"%(asctime)s [%(process)d] [%(levelname)s] %(message)s"
    datefmt = r"[%Y-%m-%d %H:%M:%S %z]"
    access_fmt = "%(message)s"
    syslog_fmt = "[%(process)d] %(message)s"

    def __init__(self, cfg):
        self.error_log = attach()
        self.access_log = logging.getLogger("gunicorn.access")
        self.access_log.propagate = False
        self.error_handlers = self.error_log.handlers
        self.access_handlers = self.access_log.handlers
        self.logfile = None
        self.cfg = cfg
        self.setup(cfg)

    def setup(self, cfg):
        self.loglevel = LEVELS.get(str(cfg.loglevel).lower(), logging.INFO)
        self.error_log.setLevel(self.loglevel)

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
            lvl = LEVELS.get(lvl.lower(), logging.INFO)
        self._tell(lvl, msg, args, kwargs)

    def _tell(self, level, msg, args, kwargs):
        """Writes a record, unless it only has a metric for statsd."""
        extra = kwargs.get("extra") or {}
        metric = [extra.get(key) for key in ("mtype", "metric", "value")]
        if None not in metric:
            _rgunicorn_log.metric(*map(str, metric))
            if not msg:
                return
        self.error_log.log(level, msg, *args, **kwargs)

    def now(self):
        import time

        return time.strftime("[%d/%b/%Y:%H:%M:%S %z]")

    def reopen_files(self):
        """The server reopens its files itself."""

    def close_on_exec(self):
        """The server's files are closed at exec anyway."""
