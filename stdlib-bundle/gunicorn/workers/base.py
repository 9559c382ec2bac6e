"""What all workers are to Python code."""

from _rgunicorn import worker


class Worker(worker.Worker):
    """The class of `worker`, to derive others from."""
