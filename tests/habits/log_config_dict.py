# get: /page /broken /log
logconfig_dict = {
    "formatters": {"own": {"format": "%(name)s %(levelname)s %(message)s"}},
    "handlers": {
        "own": {"class": "logging.StreamHandler", "formatter": "own", "stream": "ext://sys.stderr"},
        "file": {"class": "logging.FileHandler", "formatter": "own", "filename": "access.log"},
    },
    "root": {"level": "WARNING", "handlers": []},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": ["own"], "propagate": False},
        "gunicorn.access": {"level": "INFO", "handlers": ["file"], "propagate": False},
    },
}
access_log_format = "%(r)s %(s)s %({user-agent}i)s"
