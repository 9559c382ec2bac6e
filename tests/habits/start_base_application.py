# script
# get: /page /broken
from gunicorn.app.base import BaseApplication


class Standalone(BaseApplication):
    def __init__(self, app, options=None):
        self.options = options or {}
        self.application = app
        super().__init__()

    def load_config(self):
        known = {key: value for key, value in self.options.items() if key in self.cfg.settings}
        for key, value in known.items():
            self.cfg.set(key.lower(), value)

    def load(self):
        return self.application


def post_fork(server, worker):
    server.log.info("a worker of %s", server.num_workers)


if __name__ == "__main__":
    from app import app

    options = {"bind": "fd://3", "workers": 2, "accesslog": "-", "post_fork": post_fork, "nothing": 1}
    options["access_log_format"] = "%(r)s %(s)s"
    Standalone(app, options).run()
