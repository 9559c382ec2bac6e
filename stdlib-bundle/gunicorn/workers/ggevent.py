"""Workers with greenlets."""

from gunicorn.workers.base_async import AsyncWorker


class GeventWorker(AsyncWorker):
    """Serves each request in a greenlet."""

    _built_in = "gevent"
    never_called = AsyncWorker.never_called | {"server_class", "wsgi_handler"}
    server_class = None
    wsgi_handler = None

    def patch(self):
        """Makes the standard library cooperative."""
        self.steps.patch()

    def init_process(self):
        self.patch()
        super().init_process()


class GeventPyWSGIWorker(GeventWorker):
    """Serves each request in a greenlet."""
