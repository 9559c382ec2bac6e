# get: /healthz /page /healthz?probe=1
import logging

from gunicorn import glogging


class NoHealthChecks(logging.Filter):
    def filter(self, record):
        return "/healthz" not in record.getMessage()


class Logger(glogging.Logger):
    def setup(self, cfg):
        super().setup(cfg)
        logging.getLogger("gunicorn.access").addFilter(NoHealthChecks())


logger_class = Logger
accesslog = "-"
