"""Workers for Tornado apps."""

from gunicorn.workers.base import Worker


class TornadoWorker(Worker):
    """Serves Tornado apps."""

    _built_in = "tornado"
    never_called = Worker.never_called | {"handle_request", "heartbeat", "watchdog"}

    def init_process(self):
        self.steps.patch()
        super().init_process()
