"""Metrics for statsd."""

import _rgunicorn_log
from gunicorn.glogging import Logger

METRIC_VAR = "metric"
VALUE_VAR = "value"
MTYPE_VAR = "mtype"
GAUGE_TYPE = "gauge"
COUNTER_TYPE = "counter"
HISTOGRAM_TYPE = "histogram"
TIMER_TYPE = "timer"


class Statsd(Logger):
    """The logger if `statsd_host` is set. The server itself sends the metrics of
    requests, workers and log lines."""

    def gauge(self, name, value):
        _rgunicorn_log.metric(GAUGE_TYPE, name, str(value))

    def increment(self, name, value, sampling_rate=1.0):
        _rgunicorn_log.metric(COUNTER_TYPE, name, str(value))

    def decrement(self, name, value, sampling_rate=1.0):
        _rgunicorn_log.metric(COUNTER_TYPE, name, f"-{value}")

    def timer(self, name, value):
        _rgunicorn_log.metric(TIMER_TYPE, name, str(value))

    def histogram(self, name, value):
        _rgunicorn_log.metric(HISTOGRAM_TYPE, name, str(value))
