# args: --threads 2 app:app
# get: /page
import os


def tell(*words):
    with open("calls", "a") as calls:
        print(*words, file=calls)


def on_starting(server):
    tell("on_starting", server.num_workers, len(server.LISTENERS), server.cfg.threads)


def when_ready(server):
    tell("when_ready", server.num_workers, len(server.LISTENERS), server.pid == os.getpid())


def nworkers_changed(server, new_value, old_value):
    tell("nworkers_changed", new_value, old_value)


def pre_fork(server, worker):
    tell("pre_fork", worker.age, type(worker).__name__, worker.pid)


def post_fork(server, worker):
    tell("post_fork", worker.age, worker.ppid == os.getppid(), worker.pid == os.getpid())


def post_worker_init(worker):
    tell("post_worker_init", callable(worker.wsgi), worker.alive, worker.booted)


def pre_request(worker, req):
    tell("pre_request", req.method, req.path, req.uri, req.query, req.version, req.scheme)


def post_request(worker, req, environ, resp):
    tell("post_request", environ["PATH_INFO"], resp.status, resp.sent, worker.nr)


def child_exit(server, worker):
    tell("child_exit", worker.age)


def worker_exit(server, worker):
    tell("worker_exit", worker.age)


def on_exit(server):
    tell("on_exit")
