# args: --log-level critical app:app
# get: /errors /log
accesslog = "-"
access_log_format = "%(r)s"


def when_ready(server):
    server.log.error("not told")
    server.log.critical("told")
