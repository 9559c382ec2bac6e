"""The server's own two logs as handlers for Python's `logging`."""

import logging
import sys
import traceback

import _rgunicorn_log

ERROR_FORMAT = "%(asctime)s [%(process)d] [%(levelname)s] %(message)s"
DATE_FORMAT = "[%Y-%m-%d %H:%M:%S %z]"
ACCESS_FORMAT = "%(message)s"


class OwnHandler(logging.StreamHandler):
    """Passes records to one of the server's logs, which has the file and reopens it.
    With its own formatter it writes the formatted text. With another stream it writes
    only there."""

    # Gunicorn marks the handlers that it may replace like this.
    _gunicorn = True

    def __init__(self, path, standard, format, date_format=None):
        self.own_stream = standard if path == "-" else Stream(self.raw)
        super().__init__(self.own_stream)
        self.setFormatter(logging.Formatter(format, date_format))
        if path != "-":
            self.baseFilename = path

    def is_plain(self):
        """Whether the log would write the same line without this handler."""
        return (
            not self.filters
            and self.level <= logging.DEBUG
            and self.stream is self.own_stream
            and self._has_usual_format()
        )

    def emit(self, record):
        if self.stream is not self.own_stream:
            return super().emit(record)
        try:
            text = None
            if not self._has_usual_format():
                text = clean(self.format(record) + self.terminator)
            self.tell(record, text)
        except RecursionError:
            raise
        except Exception:
            self.handleError(record)

    def _has_usual_format(self):
        formatter = self.formatter
        return formatter is None or (
            type(formatter) is logging.Formatter
            and (formatter._fmt, formatter.datefmt) == self.usual
        )


class ErrorHandler(OwnHandler):
    """The error log, which adds the time, the process and the level itself."""

    usual = ERROR_FORMAT, DATE_FORMAT
    raw = staticmethod(_rgunicorn_log.raw)

    def __init__(self, format=ERROR_FORMAT, date_format=DATE_FORMAT):
        super().__init__(_rgunicorn_log.settings()["errorlog"], sys.stderr, format, date_format)

    def tell(self, record, text):
        message = record.getMessage()
        if record.exc_info:
            message += "\n" + "".join(traceback.format_exception(*record.exc_info)).rstrip()
        elif record.exc_text:
            message += "\n" + record.exc_text
        if record.stack_info:
            message += "\n" + record.stack_info
        _rgunicorn_log.write(record.levelno, clean(message), text)


class AccessHandler(OwnHandler):
    """The access log."""

    usual = ACCESS_FORMAT, None
    raw = staticmethod(lambda text: _rgunicorn_log.access("", text))

    def __init__(self, format=ACCESS_FORMAT):
        path = _rgunicorn_log.settings()["accesslog"]
        super().__init__("-" if path is None else path, sys.stdout, format)

    def tell(self, record, text):
        _rgunicorn_log.access(clean(record.getMessage()), text)


class Stream:
    """The file of a log as a text stream."""

    def __init__(self, write):
        self._write = write

    def write(self, text):
        self._write(clean(text))
        return len(text)

    def flush(self):
        pass


def clean(text):
    """Text that is valid in C and in UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
