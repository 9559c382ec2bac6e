"""Sends both logs through Python's `logging`, as a logging configuration asks for."""

import io
import json
import logging
import logging.config
import traceback

from _rgunicorn.log_handlers import DATE_FORMAT, ERROR_FORMAT
from _rgunicorn.settings import Unusable
from _rgunicorn_importer import inside


def defaults():
    """The configuration that others are added to, entry by entry."""
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


def configure(cfg):
    """Configures `logging` with a dict, a JSON file or a file for
    `logging.config.fileConfig`."""
    if cfg.logconfig_dict:
        setting = "logconfig_dict"
    elif cfg.logconfig_json:
        setting = f"logconfig_json {cfg.logconfig_json!r}"
    else:
        setting = f"logconfig {cfg.logconfig!r}"
    try:
        if cfg.logconfig_dict:
            logging.config.dictConfig({**defaults(), **cfg.logconfig_dict})
        elif cfg.logconfig_json:
            with open(cfg.logconfig_json, encoding="utf-8") as file:
                loaded = json.load(file)
            if not isinstance(loaded, dict):
                raise TypeError(f"there is a {type(loaded).__name__} in it and no dict")
            logging.config.dictConfig({**defaults(), **loaded})
        else:
            with open(cfg.logconfig, encoding="utf-8") as file:
                text = io.StringIO(file.read())
            here = {"__file__": cfg.logconfig, "here": cfg.logconfig.rpartition("/")[0]}
            logging.config.fileConfig(text, defaults=here, disable_existing_loggers=False)
    except Exception as error:
        raise Unusable(f"The logging config cannot be used: {setting}: {why(error)}") from None


def why(error):
    """An exception and its causes in one line, then the lines of other people's code
    that raised it. Our lines and those of `logging` are left out."""
    reasons, frames = [], []
    while error is not None and len(reasons) < 10:
        reasons.append(" ".join("".join(traceback.format_exception_only(error)).split()))
        found = traceback.extract_tb(error.__traceback__)
        frames = [frame for frame in found if not is_ours(frame.filename)] or frames
        error = error.__cause__
    return "\n".join([": ".join(reasons), *traceback.format_list(frames)]).rstrip()


def is_ours(path):
    return path.startswith("<") or inside(path) is not None
