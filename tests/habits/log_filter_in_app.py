# get: /healthz /page
import logging

accesslog = "-"
access_log_format = "%(r)s"


def post_worker_init(worker):
    log = logging.getLogger("gunicorn.access")
    log.addFilter(lambda record: record.args["U"] != "/healthz")
