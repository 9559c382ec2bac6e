"""asgiref's tests over sockets: tests that exchange messages with an app, which here go
through the server. The source package is in SOURCE."""

import contextlib
import os
from urllib.parse import quote

import h11
import served
from asgiref import testing

# Tests that are only true for messages, and not for a client; by reason.
OTHERWISE = {
    "this is of the test's messages alone": [
        "test_compatibility::test_double_to_single_communicator",
        "test_testing::test_receive_nothing",
        "test_testing::test_receive_nothing_lazy_loop",
        "test_testing::test_receive_output_timeout_restores_cancellation_count",
    ],
    "a root path is a setting of the server": ["test_wsgi::test_wsgi_path_encoding"],
    "where one part ends is not seen of a body with a length": [
        "test_wsgi::test_wsgi_clamped_body",
    ],
}


class Communicator:
    """Turns messages to the app into a request, and the response into messages."""

    def __init__(self, app, scope):
        self.scope = scope
        self.stack = contextlib.ExitStack()
        self.socket, self.call = self.stack.enter_context(served.connect(app))
        self.http = h11.Connection(h11.CLIENT)
        self.head = None
        self.body = b""

    async def send_input(self, message):
        if self.http.our_state is h11.IDLE:
            scope = self.scope
            target = quote(scope["path"]).encode() + b"?" + scope["query_string"]
            fields = [(b"Host", b"testserver"), *map(tuple, scope["headers"])]
            self.send(h11.Request(method=scope["method"], target=target, headers=fields))
        self.send(h11.Data(data=message.get("body", b"")))
        if not message.get("more_body"):
            self.send(h11.EndOfMessage())

    def send(self, event):
        self.socket.sendall(self.http.send(event))

    def next(self):
        while (event := self.http.next_event()) is h11.NEED_DATA:
            self.http.receive_data(self.socket.recv(65536))
        return event

    async def receive_output(self, timeout):
        if self.head is None:
            self.head = self.next()
            return {
                "type": "http.response.start",
                "status": self.head.status_code,
                "headers": self.call.own(self.head.headers),
            }
        # The server knows the length of a response in one message.
        whole = b"content-length" not in self.call.fields and b"content-length" in dict(
            self.head.headers
        )
        while not isinstance(event := self.next(), h11.EndOfMessage):
            self.body += event.data
            if not whole and (event.chunk_end or b"content-length" in self.call.fields):
                body, self.body = self.body, b""
                return {"type": "http.response.body", "body": body, "more_body": True}
        self.stack.close()
        self.call.finish()
        message = {"type": "http.response.body"}
        return {**message, "body": self.body} if self.body else message


def uses_server(item):
    code = getattr(item.function, "__code__", None)
    return code is not None and "ApplicationCommunicator" in code.co_names


def run(tell):
    testing.ApplicationCommunicator = Communicator
    served.run_tests(tell, os.environ["SOURCE"], uses_server, OTHERWISE)


app = served.serving(run)
