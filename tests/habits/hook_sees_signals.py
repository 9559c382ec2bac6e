# get: /page
import signal

import os


def tell(*words):
    with open("calls", "a") as calls:
        print(*words, file=calls)


def post_worker_init(worker):
    for name in ("SIGTERM", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGABRT", "SIGWINCH"):
        tell(name, callable(signal.getsignal(getattr(signal, name))))
