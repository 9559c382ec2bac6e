"""The worker classes of aiohttp. The aiohttp worker does their work."""

from gunicorn.workers.base import Worker


class GunicornWebWorker(Worker):
    """Apps of aiohttp."""

    _built_in = "aiohttp"
    never_called = Worker.never_called | {"_create_ssl_context", "_run"}

    def init_process(self):
        self.steps.patch()
        super().init_process()


class GunicornUVLoopWebWorker(GunicornWebWorker):
    """Apps of aiohttp, on uvloop."""

    @classmethod
    def brings(cls):
        return [("asgi_loop", "uvloop")], []
