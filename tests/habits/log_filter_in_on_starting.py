# args: --threads 2 app:app
# get: /healthz /page
import logging

accesslog = "-"
access_log_format = "%(r)s"


class Filter(logging.Filter):
    def filter(self, record):
        record.msg = "filtered " + record.msg
        return "/healthz" not in record.getMessage()


def on_starting(server):
    server.log.access_log.addFilter(Filter())
