"""The asyncio part of the asgi worker: its event loop, and the app's lifespan.

For the network, the loop only watches one descriptor and one timer. The worker does the
rest in Rust.
"""

import asyncio
import traceback

from _rgunicorn import signals, uvicorn_loggers


class BootError(Exception):
    """The app does not start; the message says why."""


def run(worker, app, settings, factory=None):
    """Serves until the worker must stop."""
    factory = factory or loop_factory(settings["loop"])
    with asyncio.Runner(loop_factory=factory) as runner:
        loop = runner.get_loop()
        serving = loop.create_task(_serve(worker, app, settings), name="worker")
        serving.add_done_callback(lambda _: loop.stop())
        _run_until_done(loop, serving, worker)
        serving.result()


def _run_until_done(loop, serving, worker):
    """Runs the loop until the worker has finished. An app that stops the loop, or
    raises SystemExit outside of requests, ends its worker. But first a new worker must
    serve, and the requests must have their responses."""
    while not serving.done():
        try:
            loop.run_forever()
            why = "stopped the event loop"
        except (SystemExit, KeyboardInterrupt) as error:
            why = f"raised {type(error).__name__}"
        except Exception as error:
            if not signals.is_of_handler(error):
                raise
            worker.log("error", signals.told(error))
            continue
        if not serving.done():
            worker.app_ends_it(why)


def loop_factory(name):
    """The factory of the event loop that the setting `asgi_loop` names."""
    if name == "asyncio":
        return asyncio.new_event_loop
    try:
        import uvloop
    except ImportError:
        if name == "auto":
            return asyncio.new_event_loop
        raise BootError(
            "asgi_loop is 'uvloop', but the app has no uvloop: add it to the "
            "app's packages, or take 'auto'."
        ) from None
    return uvloop.new_event_loop


async def _serve(worker, app, settings):
    loop = asyncio.get_running_loop()
    lifespan = Lifespan(app, settings["lifespan"], worker.log)
    state = await lifespan.start()
    app = uvicorn_loggers.attach(app)
    stopping = loop.create_future()

    def stop():
        if not stopping.done():
            stopping.set_result(None)

    loop.add_reader(worker.stop_descriptor(), stop)
    worker.start(app, loop, state)
    loop.add_reader(worker.descriptor(), worker.turn)
    # Not inside this task: tasks of requests run inside these calls.
    loop.call_soon(worker.turn)
    pulses = [
        loop.create_task(_beat(worker, stop, settings["pulse"]), name="heartbeat"),
        loop.create_task(_ping(worker, settings["ping_interval"]), name="pings"),
    ]
    await stopping
    loop.remove_reader(worker.stop_descriptor())

    deadline = loop.time() + settings["graceful_timeout"]
    loop.call_soon(worker.stop)
    await asyncio.sleep(0)
    while worker.is_busy() and loop.time() < deadline:
        await asyncio.sleep(0.02)
    # At least one second is left for the end of the app.
    await lifespan.stop(max(deadline - loop.time(), 1.0))
    for pulse in pulses:
        pulse.cancel()
    loop.remove_reader(worker.descriptor())


async def _beat(worker, stop, pause):
    while True:
        if worker.beat():
            stop()
        await asyncio.sleep(pause)


async def _ping(worker, interval):
    while interval:
        await asyncio.sleep(interval)
        worker.ping()


class Lifespan:
    """The lifespan protocol, version 2.0. In mode `auto` an app that does not support
    it is served without it; in mode `on` that is an error."""

    def __init__(self, app, mode, log):
        self._app = app
        self._mode = mode
        self._log = log
        self._messages = asyncio.Queue()
        self._received = False
        self._answer = None
        self._task = None
        self._state = {}

    async def start(self):
        """The state that the app wants in its requests; None without lifespan."""
        if self._mode == "off":
            return None
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._call(), name="lifespan")
        kind, detail = await self._ask("startup")
        if kind == "complete":
            return self._state
        self._task = None
        if kind == "failed":
            raise BootError(f"Application startup failed. {detail}".rstrip())
        # An app that has taken the message supports the protocol, so this is a failure.
        what = "The app does not support lifespan."
        if self._received:
            what = "The app ended its lifespan during the startup."
        if self._mode == "on":
            raise BootError(f"{what}\n{detail}".rstrip())
        level = "warning" if self._received else "debug"
        self._log(level, f"{what} It is served without.\n{detail}".rstrip())
        return None

    async def stop(self, longest):
        if self._task is None:
            return
        try:
            async with asyncio.timeout(longest):
                kind, detail = await self._ask("shutdown")
                if kind == "complete":
                    await asyncio.wait([self._task])
        except TimeoutError:
            kind, detail = "failed", f"It takes more than {longest:.0f} s."
        if kind != "complete":
            self._log("error", f"Application shutdown failed. {detail}".rstrip())

    async def _ask(self, what):
        self._answer = asyncio.get_running_loop().create_future()
        self._messages.put_nowait({"type": f"lifespan.{what}"})
        if self._task.done():
            self._ended("")
        return await self._answer

    async def _call(self):
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self._state,
        }
        try:
            await self._app(scope, self._receive, self._send)
        except asyncio.CancelledError:
            # The app has done this, or the loop has ended; then nobody waits.
            if not self._answer.done():
                self._ended(traceback.format_exc())
            raise
        except Exception:
            self._ended(traceback.format_exc())
        else:
            self._ended("")

    def _ended(self, detail):
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(("raised", detail))
        elif detail:
            self._log("error", f"Exception in the app's lifespan\n{detail}".rstrip())

    async def _receive(self):
        message = await self._messages.get()
        self._received = True
        return message

    async def _send(self, message):
        _, _, kind = message["type"].partition(".")
        _, _, outcome = kind.partition(".")
        if outcome not in ("complete", "failed") or self._answer.done():
            raise RuntimeError(f"Unexpected ASGI message {message['type']!r}")
        self._answer.set_result((outcome, message.get("message", "")))
