"""What Python code may know of the server that this process belongs to."""

import sys

server = None

# Whether this process serves. Then Python's logger `gunicorn.error` is ours.
serving = False


def serve():
    """From now on this process serves."""
    global serving
    serving = True
    if "logging" in sys.modules:
        attach_log()


def settle_log(cfg):
    """This process belongs to a server with the logs of the settings `cfg`."""
    global serving
    serving = True
    if "logging" in sys.modules:
        from _rgunicorn import logger

        logger.settle(cfg)


def attach_log():
    """Makes Python's loggers write to the server's logs."""
    from _rgunicorn import logger

    # If our module has imported `logging`, it does this itself.
    if getattr(logger, "python_logs", None) is not None:
        logger.attach()
