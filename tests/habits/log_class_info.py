# get: /log
from gunicorn.glogging import Logger


class Quiet(Logger):
    def info(self, msg, *args, **kwargs):
        if "Booting" not in msg and "Using worker" not in msg:
            super().info("(info) " + msg, *args, **kwargs)

    def warning(self, msg, *args, **kwargs):
        super().warning("(warning) " + msg, *args, **kwargs)


logger_class = Quiet


def when_ready(server):
    server.log.warning("ready: %s", "yes")
