# args: --threads 2 app:app
# get: /page /page?a=1
from gunicorn.glogging import Logger


class Marked(Logger):
    def atoms(self, resp, req, environ, request_time):
        atoms = super().atoms(resp, req, environ, request_time)
        atoms["kind"] = "query" if req.query else "plain"
        atoms["code"] = resp.status_code
        atoms["fields"] = len(req.headers)
        return atoms


logger_class = Marked
accesslog = "-"
access_log_format = '%(kind)s %(code)s %(fields)s "%(r)s" %(B)s %({x-said}o)s %({host}i)s %(unknown)s'
