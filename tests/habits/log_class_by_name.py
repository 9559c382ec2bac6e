# get: /page /healthz
import sys

sys.modules["own_logging"] = sys.modules[__name__]

from gunicorn.glogging import Logger


class Own(Logger):
    access_fmt = "own %(message)s"


logger_class = "own_logging.Own"
accesslog = "-"
access_log_format = "%(m)s %(U)s"
