# get: /page /log
import logging
import sys

from gunicorn.glogging import Logger


class Files(Logger):
    def setup(self, cfg):
        super().setup(cfg)
        self._set_handler(self.error_log, "own.log", logging.Formatter("%(levelname)s %(message)s"))
        self._set_handler(self.access_log, "-", logging.Formatter("> %(message)s"), sys.stderr)


logger_class = Files
accesslog = "-"
access_log_format = "%(r)s"
