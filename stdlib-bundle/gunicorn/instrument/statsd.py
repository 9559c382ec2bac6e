"""Metrics for statsd."""

from gunicorn.glogging import Logger


class Statsd(Logger):
    """The logger when `statsd_host` is set. The metrics of requests, workers
    and log lines are sent by the server itself."""
