"""The kinds of workers, with Gunicorn's names.

The server calls the methods of a class that make up a worker's life
(`_rgunicorn.worker`). The serving itself is built into the server.
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
    """The class with a short name."""
    dotted = SUPPORTED_WORKERS.get(name) or OTHER_WORKERS[name]
    module, _, name = dotted.rpartition(".")
    return getattr(importlib.import_module(module), name)
