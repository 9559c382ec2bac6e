# args: --threads 2 app:app
# get: /page /log /broken
# differs: the path of a request whose app has raised, in the access log
# only real: access: GET None 500
# only ours: access: GET /broken 500
from gunicorn.glogging import Logger


class Short(Logger):
    error_fmt = "server %(levelname)s: %(message)s"
    datefmt = "%H:%M"
    access_fmt = "access: %(message)s"


logger_class = Short
accesslog = "-"
access_log_format = "%(m)s %(U)s %(s)s"
