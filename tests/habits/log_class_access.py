# get: /page /healthz /page?secret=1
from gunicorn.glogging import Logger


class Discreet(Logger):
    def access(self, resp, req, environ, request_time):
        if req.path == "/healthz":
            return
        environ["RAW_URI"] = req.path
        super().access(resp, req, environ, request_time)


logger_class = Discreet
accesslog = "-"
access_log_format = '%(h)s "%(r)s" %(s)s %(b)s %(f)s'
