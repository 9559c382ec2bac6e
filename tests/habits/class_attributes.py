# args: --threads 2 app:app
# get: /page
import os


def tell(*words):
    with open("calls", "a") as calls:
        print(*words, file=calls)

from gunicorn.workers.gthread import ThreadWorker


class Marked(ThreadWorker):
    mark = "marked"


worker_class = Marked


def pre_fork(server, worker):
    tell(type(worker).__name__, worker.mark, server.cfg.worker_class.__name__)
