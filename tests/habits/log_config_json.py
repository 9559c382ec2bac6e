# args: --threads 2 app:app
# get: /page /log
import json
from pathlib import Path

Path("log.json").write_text(json.dumps({
    "formatters": {"generic": {"format": "J %(message)s"}},
    "loggers": {
        "gunicorn.error": {"level": "WARNING", "handlers": ["error_console"], "propagate": False},
        "gunicorn.access": {"level": "INFO", "handlers": ["console"], "propagate": False},
    },
}))
logconfig_json = "log.json"
access_log_format = "%(m)s %(U)s"
