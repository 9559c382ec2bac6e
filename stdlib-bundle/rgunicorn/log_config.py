"""Python's `logging` as the way of both logs, as a logging config asks for it."""

import io
import json
import logging
import logging.config
import sys
import traceback

from _rgunicorn import logger
from _rgunicorn_importer import inside

ERROR_FORMAT = "%(asctime)s [%(process)d] [%(levelname)s] %(message)s"
DATE_FORMAT = "[%Y-%m-%d %H:%M:%S %z]"

LEVELS = {"critical": 50, "error": 40, "warning": 30, "info": 20, "debug": 10}


def defaults():
    """What a config is laid over, entry by entry."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "root": {"level": "INFO", "handlers": ["console"]},
        "loggers": {
            "gunicorn.error": {
                "level": "INFO",
                "handlers": ["error_console"],
                "propagate": False,
                "qualname": "gunicorn.error",
            },
            "gunicorn.access": {
                "level": "INFO",
                "handlers": ["console"],
                "propagate": False,
                "qualname": "gunicorn.access",
            },
        },
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "formatter": "generic",
                "stream": "ext://sys.stdout",
            },
            "error_console": {
                "class": "logging.StreamHandler",
                "formatter": "generic",
                "stream": "ext://sys.stderr",
            },
        },
        "formatters": {
            "generic": {
                "format": ERROR_FORMAT,
                "datefmt": DATE_FORMAT,
                "class": "logging.Formatter",
            }
        },
    }


class Atoms(dict):
    """What a request's record has as its arguments: an atom that is not known
    is a dash, and the names of fields have no case."""

    def __getitem__(self, name):
        if name.startswith("{"):
            name = name.lower()
        return super().get(name, "-")


class Loggers:
    """Takes the records of both logs."""

    def __init__(self, access_format):
        self.error_log = logging.getLogger("gunicorn.error")
        self.access_log = logging.getLogger("gunicorn.access")
        self.access_format = access_format

    def error(self, level, message):
        self.error_log.log(level, "%s", message)

    def access(self, atoms):
        lowered = {name.lower() if name.startswith("{") else name: atom for name, atom in atoms}
        self.access_log.info(self.access_format, Atoms(lowered))

    def reopen(self):
        for handler in handlers():
            if isinstance(handler, logging.FileHandler):
                with handler.lock:
                    if handler.stream is not None:
                        handler.close()
                        # Closing one also takes it for finished.
                        handler._closed = False
                        handler.stream = handler._open()


def handlers():
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    return {handler for logger in loggers for handler in getattr(logger, "handlers", ())}


class Unusable(Exception):
    """Says in one sentence what is wrong with the config."""


def install(error_file, access_file, level, access_format, dictionary, json_file, ini_file):
    """Configures `logging`: by a dict, else by a JSON file,
    else by a file in the form of `logging.config.fileConfig`."""
    logger.configured = True
    setting = "errorlog or accesslog"
    try:
        base(error_file, access_file, level)
        if dictionary is not None:
            setting = "logconfig_dict"
            logging.config.dictConfig({**defaults(), **dictionary})
        elif json_file is not None:
            setting = f"logconfig_json {json_file!r}"
            with open(json_file, encoding="utf-8") as file:
                loaded = json.load(file)
            if not isinstance(loaded, dict):
                raise TypeError(f"there is a {type(loaded).__name__} in it and no dict")
            logging.config.dictConfig({**defaults(), **loaded})
        elif ini_file is not None:
            setting = f"logconfig {ini_file!r}"
            with open(ini_file, encoding="utf-8") as file:
                text = io.StringIO(file.read())
            here = {"__file__": ini_file, "here": ini_file.rpartition("/")[0]}
            logging.config.fileConfig(text, defaults=here, disable_existing_loggers=False)
    except Exception as error:
        raise Unusable(f"The logging config cannot be used: {setting}: {why(error)}") from None
    return Loggers(access_format)


def why(error):
    """An exception and its causes in one line. What of other people's code has
    raised follows; our lines and `logging`'s tell them nothing."""
    reasons, frames = [], []
    while error is not None and len(reasons) < 10:
        reasons.append(" ".join("".join(traceback.format_exception_only(error)).split()))
        found = traceback.extract_tb(error.__traceback__)
        frames = [frame for frame in found if not is_ours(frame.filename)] or frames
        error = error.__cause__
    return "\n".join([": ".join(reasons), *traceback.format_list(frames)]).rstrip()


def is_ours(path):
    return path.startswith("<") or inside(path) is not None


def remove():
    """Takes both loggers back from what has been configured."""
    for name in ("gunicorn.error", "gunicorn.access"):
        log = logging.getLogger(name)
        for handler in log.handlers[:]:
            log.removeHandler(handler)
            handler.close()
    logger.configured = False
    logger.attach()


def base(error_file, access_file, level):
    """Both loggers as they are where the config does not speak of them."""
    error = logging.getLogger("gunicorn.error")
    error.handlers[:] = [handler(error_file, sys.stderr, logging.Formatter(ERROR_FORMAT, DATE_FORMAT))]
    error.setLevel(LEVELS.get(level.lower(), 20))
    access = logging.getLogger("gunicorn.access")
    access.handlers[:] = []
    if access_file is not None:
        access.addHandler(handler(access_file, sys.stdout, logging.Formatter("%(message)s")))
    access.setLevel(logging.INFO)
    error.propagate = access.propagate = False


def handler(path, stream, formatter):
    made = logging.StreamHandler(stream) if path == "-" else logging.FileHandler(path)
    made.setFormatter(formatter)
    return made
