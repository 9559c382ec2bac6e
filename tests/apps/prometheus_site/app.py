"""Metrics of its own, which several processes count."""

import os

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Summary,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

MODES = ["all", "min", "max", "sum", "mostrecent"]
MODES += ["live" + mode for mode in MODES]

orders = Counter("orders", 'Orders, with a "quote",\na line end and a \\.', ["kind", "by"])
took = Histogram("took_seconds", "How long it took.", ["kind"])
sizes = Histogram("size_bytes", "How large.", buckets=[1, 2.5, 1e6, 2e7])
weight = Summary("weight_kilograms", "How heavy.")
gauges = [Gauge("level_" + mode, "How high.", ["of"], multiprocess_mode=mode) for mode in MODES]


def count(number):
    orders.labels("book", "é\"\\\n").inc(number)
    orders.labels("", "nobody").inc()
    took.labels("book").observe(number / 3)
    sizes.observe(10.0**number)
    weight.observe(number / 7)
    for gauge in gauges:
        gauge.labels("water").set(number - os.getpid() / 1000)


def app(environ, start_response):
    """`/count/NUMBER` counts, `/collected` tells what the package makes of all files."""
    path = environ["PATH_INFO"]
    if path == "/collected":
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        body = generate_latest(registry)
    else:
        count(int(path.removeprefix("/count/")))
        body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
