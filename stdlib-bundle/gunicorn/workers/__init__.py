"""The kinds of workers, by the names that Gunicorn has for them.

The classes are names: what they name is built into the server.
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


def named(name):
    """The class of a short name."""
    module, _, name = SUPPORTED_WORKERS[name].rpartition(".")
    return getattr(importlib.import_module(module), name)
