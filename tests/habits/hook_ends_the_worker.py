# get: /page /end /page
import os


def tell(*words):
    with open("calls", "a") as calls:
        print(*words, file=calls)


def post_request(worker, req, environ, resp):
    tell("answered", worker.age)
    worker.alive = req.path != "/end"


def worker_exit(server, worker):
    tell("worker_exit", worker.age)
