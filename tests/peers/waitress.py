"""Runs waitress's functional tests with rgunicorn.

    rgunicorn python waitress.py SOURCE RGUNICORN OPTION...

SOURCE is the unpacked source package of waitress, the options are ours. Its tests start
a server as a child process; here they get ours, one for each fixture app.
"""

import os
import re
import socket
import subprocess
import sys
import unittest

source, rgunicorn, *options = sys.argv[1:]
here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [source, os.path.join(source, "src")]

from tests import test_functional as suite  # noqa: E402

# Further options for the server of a fixture app.
SETTINGS = {
    "tests.fixtureapps.toolarge:app": ["--limit-request-fields", "40", "--limit-request-body", "1000"]
}

# Tests of behaviour that HTTP and WSGI leave open, by what we do instead.
OTHERWISE = {
    "we write no Connection: Keep-Alive, but keep-alive": [
        "TcpEchoTests.test_keepalive_http10_explicit",
        "TcpNoContentLengthTests.test_http10_list",
    ],
    "we tell errors in our own words": [
        "TcpEchoTests.test_broken_chunked_encoding",
        "TcpEchoTests.test_broken_chunked_encoding_invalid_extension",
        "TcpEchoTests.test_broken_chunked_encoding_invalid_hex",
        "TcpEchoTests.test_broken_chunked_encoding_missing_chunk_end",
        "TcpInternalServerErrorTests.test_after_start_response_http11",
        "TcpInternalServerErrorTests.test_after_start_response_http11_close",
        "TcpInternalServerErrorTests.test_before_start_response_http_11",
        "TcpInternalServerErrorTests.test_before_start_response_http_11_close",
        "TcpInternalServerErrorTestsWithTraceback.test_expose_tracebacks_http_11",
    ],
    "errors are told in HTTP/1.1 (RFC 9112, 2.3)": [
        "TcpEchoTests.test_bad_host_header",
        "TcpInternalServerErrorTests.test_after_start_response_http10",
        "TcpInternalServerErrorTests.test_before_start_response_http_10",
        "TcpInternalServerErrorTestsWithTraceback.test_expose_tracebacks_http_10",
        "TcpTooLargeTests.test_request_headers_too_large_http11",
    ],
    "a body that came along need not be asked for (RFC 9110, 10.1.1)": [
        "TcpExpectContinueTests.test_expect_continue",
    ],
    "the length of a list of blocks is known": [
        "TcpNoContentLengthTests.test_http10_listlentwo",
        "TcpNoContentLengthTests.test_http11_listlentwo",
    ],
    "chunk sizes are in lower case, and the connection goes on": [
        "TcpNoContentLengthTests.test_http11_generator",
        "TcpFileWrapperTests.test_notfilelike_nocl_http11",
    ],
    "a chunk extension has a name (RFC 9112, 7.1.1)": [
        "TcpTooLargeTests.test_request_body_too_large_chunked_encoding",
    ],
    "a request line may be longer than waitress's whole head": [
        "TcpTooLargeTests.test_request_body_too_large_with_no_cl_http10_keepalive",
        "TcpTooLargeTests.test_request_body_too_large_with_no_cl_http11",
        "TcpTooLargeTests.test_request_body_too_large_with_wrong_cl_http10_keepalive",
        "TcpTooLargeTests.test_request_body_too_large_with_wrong_cl_http11",
    ],
    "its app gives text, where WSGI wants bytes": [
        "TcpInternalServerErrorTests.test_after_write_cb",
        "TcpInternalServerErrorTests.test_in_generator",
    ],
    "a trusted proxy's fields stay in the environ": ["TcpEchoTests.test_proxy_headers"],
    "a stated length is sent as it is": [
        "TcpFileWrapperTests.test_filelike_longcl_http11",
    ],
}
REASONS = {name: reason for reason, names in OTHERWISE.items() for name in names}

servers = {}


def serve(target):
    """The address of our server with this fixture app."""
    fixture = f"{target.__module__}:{target.__name__}"
    if fixture not in servers:
        process = subprocess.Popen(
            [rgunicorn, "--bind", "127.0.0.1:0", "--server-header", "waitress"]
            + options
            + SETTINGS.get(fixture, [])
            + ["--pythonpath", f"{here},{source}", "waitress_app:app"],
            env={**os.environ, "FIXTURE": fixture},
            stderr=subprocess.PIPE,
            text=True,
        )
        for line in process.stderr:
            if found := re.search(r"Listening at: http://(.*?):(\d+) ", line):
                break
        else:
            sys.exit(f"no server for {fixture}")
        servers[fixture] = process, (found[1], int(found[2]))
    return servers[fixture][1]


class Socket(socket.socket):
    """Adds the Host field to requests of HTTP/1.1, which requires it (RFC 9112, 3.2).
    Most of these tests omit it."""

    def send(self, data):
        line, end, rest = data.partition(b"\r\n")
        if line.endswith(b" HTTP/1.1") and b"\nhost:" not in data.lower():
            data = line + end + b"Host: localhost\r\n" + rest
        return self.sendall(data)


class OurServer:
    def start_subprocess(self, target, **settings):
        reason = REASONS.get(self.id().split(".", 2)[2])
        if reason:
            self.skipTest(reason)
        self.bound_to = serve(target)
        self.sock = self.create_socket()

    def create_socket(self):
        created = Socket()
        created.settimeout(20)
        return created

    def stop_subprocess(self):
        if hasattr(self, "sock"):
            self.sock.close()


for name in ("start_subprocess", "create_socket", "stop_subprocess"):
    setattr(suite.SubprocessTests, name, getattr(OurServer, name))
tests = unittest.TestSuite(
    unittest.defaultTestLoader.loadTestsFromTestCase(case)
    for case in vars(suite).values()
    if isinstance(case, type) and issubclass(case, suite.TcpTests)
    and issubclass(case, unittest.TestCase)
)
try:
    result = unittest.TextTestRunner(verbosity=2).run(tests)
finally:
    for process, _ in servers.values():
        process.terminate()
        process.communicate()
print(f"{result.testsRun - len(result.skipped)} tests of waitress ran")
sys.exit(not result.wasSuccessful())
