"""The gevent part of the gevent worker: one greenlet for each request, while the hub
watches the descriptor of the worker's reactor."""

import time

from _rgunicorn import signals


class BootError(Exception):
    """The worker cannot start; the message says why."""


def patch():
    """Makes the standard library cooperative, before the app is imported."""
    try:
        from gevent import hub, monkey
    except ImportError:
        raise BootError(
            "The worker class 'gevent' needs gevent: add it to the app's packages."
        ) from None
    monkey.patch_all()
    hear(hub.signal)


def hear(handler):
    """Makes the worker also receive the signals that `gevent.signal_handler` (this
    class) handles in C."""
    begin, cancel = handler.__init__, handler.cancel

    def __init__(self, signalnum, *rest, **named):
        begin(self, signalnum, *rest, **named)
        self.signalnum = signalnum
        signals.keep(signalnum, False)

    def cancel_(self):
        cancel(self)
        signals.keep(self.signalnum, False)

    handler.__init__, handler.cancel = __init__, cancel_


def wait(descriptor, writing, longest):
    """Runs other greenlets until the socket may be ready."""
    import gevent

    hub = gevent.get_hub()
    watcher = hub.loop.io(descriptor, 2 if writing else 1)
    try:
        with gevent.Timeout(longest, False):
            hub.wait(watcher)
    finally:
        watcher.close()


def run(worker, pulse, graceful_timeout):
    """Serves until the worker must stop."""
    import gevent
    from gevent.event import Event
    from gevent.pool import Group

    loop = gevent.get_hub().loop
    requests = Group()
    stopping = Event()
    timer = None

    def spawn(jobs):
        for job in jobs:
            requests.spawn(job)

    def turn():
        nonlocal timer
        jobs, delay = worker.turn()
        spawn(jobs)
        if timer is not None:
            timer.close()
            timer = None
        if delay is not None:
            timer = loop.timer(delay)
            timer.start(turn)

    network = loop.io(worker.descriptor(), 1)
    network.start(turn)
    stop = loop.io(worker.stop_descriptor(), 1)
    worker.ready()

    def pause(wait, longest):
        # Exceptions that end a process, and those of signal handlers, arrive here,
        # wherever they were raised.
        try:
            wait(longest)
        except (SystemExit, KeyboardInterrupt) as error:
            worker.app_ends_it(f"raised {type(error).__name__}")
        except Exception as error:
            if not signals.is_of_handler(error):
                raise
            worker.log("error", signals.told(error))
        # gevent stops a watcher whose callback has raised an exception.
        if not network.active:
            network.start(turn)

    while not stopping.is_set():
        if worker.beat():
            break
        if not stop.active:
            stop.start(stopping.set)
        pause(stopping.wait, pulse)
    stop.close()

    deadline = time.monotonic() + graceful_timeout
    spawn(worker.stop())
    while (worker.connections() or len(requests)) and time.monotonic() < deadline:
        worker.beat()
        pause(gevent.sleep, 0.02)
    network.close()
    if timer is not None:
        timer.close()
    requests.kill(block=True, timeout=1)
