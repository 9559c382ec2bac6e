# script: --own 1
# get: /page
import sys

from gunicorn.app.wsgiapp import WSGIApplication


class Own(WSGIApplication):
    def __init__(self, app_uri, options):
        self.options = options
        self.app_uri = app_uri
        super().__init__()

    def load_config(self):
        for key, value in self.options.items():
            self.cfg.set(key, value)


print(sys.argv[1:], flush=True)
Own("app:app", {"bind": "fd://3", "threads": 2}).run()
