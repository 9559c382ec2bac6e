"""What all workers are to Python code."""

from _rgunicorn import hooks


class Worker(hooks.Worker):
    """The class of `worker`."""

    def __init__(self, age, ppid, sockets, app, timeout, cfg, log):
        raise RuntimeError(
            "workers written in Python cannot serve here; take 'sync', 'gthread', 'asgi', "
            "'gevent' or 'tornado' as worker_class."
        )
