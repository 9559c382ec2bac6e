"""A shop that counts with prometheus_client, in all its workers."""

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

REQUESTS = Counter("shop_requests", "Requests, by path.", ["path"])
WORKERS = Gauge("shop_workers", "Workers that live.", multiprocess_mode="livesum")
SECONDS = Histogram("shop_request_seconds", "How long a request took.")


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/metrics":
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
        start_response("200 OK", [("Content-Type", CONTENT_TYPE_LATEST)])
        return [generate_latest(registry)]
    REQUESTS.labels(path).inc()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"sold\n"]
