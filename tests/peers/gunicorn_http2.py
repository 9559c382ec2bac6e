"""Runs those tests of Gunicorn's HTTP/2 that speak over a socket, with rgunicorn.

    VENV/bin/python gunicorn_http2.py SOURCE RGUNICORN CERTIFICATE KEY

SOURCE is the unpacked source package of Gunicorn. `test_http2_live.py` starts
`python -m gunicorn` itself, which is ours in a virtual environment of ours. The other
two suites get the addresses of servers from fixtures, here of ours over TLS, without
containers.
"""

import os
import re
import socket
import subprocess
import sys

import httpx
import pytest

source, rgunicorn, certificate, key = sys.argv[1:]
tests = os.path.join(source, "tests")

# Tests that we do not run, by the reason.
OTHERWISE = {
    "it looks into Gunicorn's own classes": ["test_what_counts_as_a_control_frame"],
    "it is a test of nginx": ["TestHTTP2BehindProxy", "test_early_hints_via_proxy"],
    "a control character in a value ends our connection, not only the stream (RFC 9113, 8.2.1 and 5.4.1)": [
        "test_bad_request_resets_only_its_stream"
    ],
}


class Plugin:
    """The fixtures of the suites, with the same names."""

    def __init__(self):
        self.running = []
        self.outcomes = []

    def serve(self, folder, app, *options):
        process = subprocess.Popen(
            [rgunicorn, "--bind", "127.0.0.1:0", "--certfile", certificate, "--keyfile", key, *options, app],
            cwd=os.path.join(tests, "docker", folder), env=os.environ, stderr=subprocess.PIPE, text=True,
        )
        self.running.append(process)
        for line in process.stderr:
            if found := re.search(r"Listening at: (\S+)", line):
                return found[1]
        sys.exit(f"no server for {app}")

    @pytest.fixture(scope="session")
    def wsgi_url(self):
        return self.serve("http2", "app:app", "--threads", "4", "--limit-request-fields", "150")

    @pytest.fixture(scope="session")
    def asgi_url(self):
        return self.serve("asgi_compliance", "apps.main_app:app", "-k", "asgi")

    @pytest.fixture
    def gunicorn_url(self, wsgi_url, monkeypatch):
        """Some tests take the port of the container."""
        ours, connect = int(wsgi_url.rpartition(":")[2]), socket.create_connection

        def to_ours(address, *words, **options):
            host, port = address
            return connect((host, ours if port == 8443 else port), *words, **options)

        monkeypatch.setattr(socket, "create_connection", to_ours)
        return wsgi_url

    @pytest.fixture
    def gunicorn_ssl_url(self, asgi_url):
        return asgi_url

    @pytest.fixture
    def nginx_ssl_url(self, asgi_url):
        return asgi_url

    @pytest.fixture
    def h2_client(self):
        with httpx.Client(http2=True, verify=False, timeout=30) as client:
            yield client

    http2_client = h2_client

    @pytest.fixture
    def h1_client(self):
        with httpx.Client(verify=False, timeout=30) as client:
            yield client

    http_client = h1_client

    @pytest.fixture
    def async_h2_client(self):
        async def create():
            return httpx.AsyncClient(http2=True, verify=False, timeout=30)

        return create

    @pytest.fixture
    def async_http_client_factory(self):
        async def create(**options):
            return httpx.AsyncClient(**{"verify": False, "timeout": 30, **options})

        return create

    def pytest_collection_modifyitems(self, items):
        for item in items:
            for reason, names in OTHERWISE.items():
                if any(name in item.nodeid for name in names):
                    item.add_marker(pytest.mark.skip(reason=reason))

    def pytest_runtest_logreport(self, report):
        if report.when == "call" and report.passed:
            self.outcomes.append(report.nodeid)


plugin = Plugin()
suites = ("test_http2_live.py", "docker/http2/test_http2_docker.py", "docker/asgi_compliance/test_http2_asgi.py")
try:
    code = pytest.main(
        # Its own settings measure the coverage of its own code.
        ["-q", "--noconftest", "-c", os.devnull, "-p", "no:cacheprovider", "--asyncio-mode=auto"]
        + ["--import-mode=importlib", "-W", "ignore", *(os.path.join(tests, suite) for suite in suites)],
        plugins=[plugin],
    )
finally:
    for process in plugin.running:
        process.terminate()
print(f"{len(plugin.outcomes)} tests of Gunicorn's HTTP/2 passed")
sys.exit(code)
