# get: /page /other


def other(environ, start_response):
    start_response("201 Created", [("Content-Length", "6")])
    return [b"other\n"]


def post_fork(server, worker):
    worker.app.callable = other
