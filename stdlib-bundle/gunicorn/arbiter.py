"""The master, as hooks see it."""

from _rgunicorn.hooks import Server


class Arbiter(Server):
    """The class of `server`; the exit codes are the server's."""

    WORKER_BOOT_ERROR = 3
    APP_LOAD_ERROR = 4

    def run(self):
        raise RuntimeError(
            "gunicorn.arbiter.Arbiter cannot be run here; start rgunicorn, or call run() of a "
            "gunicorn.app.base.BaseApplication."
        )
