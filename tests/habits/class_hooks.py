# args: app:app
# get: /page
import os


def tell(*words):
    with open("calls", "a") as calls:
        print(*words, file=calls)

from gunicorn.workers.sync import SyncWorker


class Own(SyncWorker):
    kind = "own"

    def init_process(self):
        tell("init_process", getattr(self, "wsgi", None) is None, self.booted)
        super().init_process()

    def load_wsgi(self):
        tell("load_wsgi before")
        super().load_wsgi()
        tell("load_wsgi after", callable(self.wsgi))


worker_class = Own


def post_worker_init(worker):
    tell("post_worker_init", worker.kind, type(worker).__name__)
