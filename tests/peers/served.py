"""An ASGI app that dispatches: each connection is answered by the app that was
registered for it. Tests of other projects make their apps inside their functions, so
they run in the worker itself, in a thread; their clients use sockets."""

import asyncio
import contextlib
import os
import socket
import sys
import threading

import pytest

# Fields that the server adds if the app has not set them.
ADDED = {b"connection", b"content-length", b"date", b"server", b"transfer-encoding"}

calls = {}
address = None
connections = 0


class Call:
    """What is known of one call of an app, besides what its client receives."""

    def __init__(self, app):
        self.app = app
        self.fields = set()
        self.begun = False
        self.error = None
        self.over = threading.Event()

    async def __call__(self, scope, receive, send):
        self.begun = True

        async def note(message):
            self.fields.update(name.lower() for name, _ in message.get("headers") or ())
            await send(message)

        try:
            await self.app(scope, receive, note)
        except BaseException as error:
            self.error = error
            raise
        finally:
            self.over.set()

    def own(self, fields):
        """The fields of a response that come from the app."""
        return [
            (name, value)
            for name, value in fields
            if name.lower() not in ADDED or name.lower() in self.fields
        ]

    def finish(self):
        """Waits for the app, if the server has called it, and raises its exception."""
        assert not self.begun or self.over.wait(30), "the app goes on and on"
        if self.error is not None:
            raise self.error


@contextlib.contextmanager
def connect(app):
    """A connection to the server, and the call of `app` for it."""
    global connections
    connections += 1
    with socket.socket() as client:
        client.settimeout(30)
        client.bind(("127.0.0.1", 0))
        port = client.getsockname()[1]
        calls[port] = Call(app)
        try:
            client.connect(address)
            yield client, calls[port]
        finally:
            del calls[port]


def serving(run):
    """The app to serve. A client without a registered app starts `run`, and gets its
    output lines."""

    async def app(scope, receive, send):
        global address
        if scope["type"] == "lifespan":
            return
        if call := calls.get(scope["client"][1]):
            return await call(scope, receive, send)
        address = scope["server"]
        loop = asyncio.get_running_loop()
        lines = asyncio.Queue()

        def work():
            def tell(line):
                loop.call_soon_threadsafe(lines.put_nowait, line)

            try:
                run(tell)
            except BaseException as error:
                tell(repr(error))
            tell(None)

        threading.Thread(target=work, daemon=True).start()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while (line := await lines.get()) is not None:
            body = (line + "\n").encode()
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body"})

    return app


def run_tests(tell, source, uses_server, otherwise, ignored=()):
    """Runs the tests of a source package that use the server, except those whose names
    are in a list with reasons."""
    sys.path.insert(0, source)
    options = ["-c", os.devnull, "--rootdir", source, "-q", "-p", "no:cacheprovider"]
    leave_out = [f"--ignore={source}/tests/{name}" for name in ignored]
    report = Report(tell, uses_server, otherwise)
    pytest.main([*options, *leave_out, f"{source}/tests"], plugins=[report])


class Report:
    """Reports where the tests are, which fail, and at the end how many have passed."""

    def __init__(self, tell, uses_server, otherwise):
        self.tell = tell
        self.uses_server = uses_server
        self.left_out = {name for names in otherwise.values() for name in names}
        self.passed = 0
        self.module = None

    def pytest_collection_modifyitems(self, items):
        named = [(f"{item.path.stem}::{item.originalname}", item) for item in items]
        for name in self.left_out - {name for name, _ in named}:
            self.tell(f"there is no {name}")
        items[:] = [
            item for name, item in named if self.uses_server(item) and name not in self.left_out
        ]

    def pytest_internalerror(self, excrepr):
        self.tell(f"{excrepr}")

    def pytest_collectreport(self, report):
        if report.failed:
            self.tell(f"{report.nodeid}\n{report.longrepr}")

    def pytest_runtest_setup(self, item):
        self.connections = connections
        if self.module != item.path.stem:
            self.module = item.path.stem
            self.tell(self.module)

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.tell(f"{report.nodeid}\n{report.longrepr}")
        # Tests that have not used the server say nothing about it.
        if report.when == "call" and report.passed and connections > self.connections:
            self.passed += 1

    def pytest_sessionfinish(self):
        self.tell(f"{self.passed} tests ran")
