# args: --threads 2 app:app
# get: /page /environ


class Marked:
    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start_response):
        def start(status, headers, exc_info=None):
            return start_response(status, [*headers, ("X-Wrapped", "yes")], exc_info)

        environ["own.key"] = "set by a hook"
        return self.app(environ, start)


def post_worker_init(worker):
    worker.wsgi = Marked(worker.wsgi)
