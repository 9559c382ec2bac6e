"""The server that this process is part of, as far as Python code may know."""

import sys

server = None

# Whether this process serves; Python's logger `gunicorn.error` is ours then.
serving = False


def serve():
    """From now on this process serves."""
    global serving
    serving = True
    if "logging" in sys.modules:
        attach_log()


def settle_log(cfg):
    """This process is the server's, whose logs are as the settings `cfg` say."""
    global serving
    serving = True
    if "logging" in sys.modules:
        from _rgunicorn import logger

        logger.settle(cfg)


def attach_log():
    """Lets Python's loggers write to the server's logs."""
    from _rgunicorn import logger

    # Where it is our module that has imported `logging`, it does this itself.
    if getattr(logger, "way", None) is not None:
        logger.attach()
