# args: app:app
# get: /page
import os


def tell(*words):
    with open("calls", "a") as calls:
        print(*words, file=calls)

from gunicorn.workers.ggevent import GeventWorker


class Patched(GeventWorker):
    def patch(self):
        super().patch()
        import socket

        tell("patched", socket.socket.__module__)


worker_class = Patched
worker_connections = 10
