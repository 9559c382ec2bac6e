# get: /page /log
import logging

accesslog = "-"
access_log_format = "%(r)s"


def on_starting(server):
    for handler in logging.getLogger("gunicorn.error").handlers:
        handler.setFormatter(logging.Formatter("E %(levelname)s %(message)s"))
    for handler in server.log.access_log.handlers:
        handler.setFormatter(logging.Formatter("A %(message)s"))
