"""The kinds of workers, by the names that Gunicorn has for them.

Of a class, the server calls what makes a worker's life (`_rgunicorn.worker`); the
serving itself is built into it.
"""

import importlib

SUPPORTED_WORKERS = {
    "sync": "gunicorn.workers.sync.SyncWorker",
    "gthread": "gunicorn.workers.gthread.ThreadWorker",
    "asgi": "gunicorn.workers.gasgi.ASGIWorker",
    "gevent": "gunicorn.workers.ggevent.GeventWorker",
    "gevent_wsgi": "gunicorn.workers.ggevent.GeventPyWSGIWorker",
    "gevent_pywsgi": "gunicorn.workers.ggevent.GeventPyWSGIWorker",
    "tornado": "gunicorn.workers.gtornado.TornadoWorker",
}

# Kinds that have no short name in Gunicorn.
OTHER_WORKERS = {"aiohttp": "_rgunicorn.aiohttp_worker.GunicornWebWorker"}


def named(name):
    """The class of a short name."""
    dotted = SUPPORTED_WORKERS.get(name) or OTHER_WORKERS[name]
    module, _, name = dotted.rpartition(".")
    return getattr(importlib.import_module(module), name)
