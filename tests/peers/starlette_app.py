"""Starlette's tests over sockets: tests that use its test client, which gets a
transport to the server. The source package is in SOURCE."""

import contextlib
import os
import sys

import h11
import httpx2 as httpx
import websockets.sync.client
from websockets.exceptions import ConnectionClosed, InvalidStatus

import served

source = os.environ["SOURCE"]
sys.path.insert(0, source)

from starlette import testclient  # noqa: E402

# Tests of the test client itself, and of an optional package.
IGNORED = ["test_testclient.py", "middleware/test_opentelemetry.py"]

# Tests that are only true for the test client or for another server; by reason.
OTHERWISE = {
    "lifespan is once for a worker, not for each client": [
        "test_applications::test_request_state",
        "test_applications::test_websocket_state",
        "test_routing::test_lifespan_state_async_cm",
    ],
    "a root path is a setting of the server": [
        "test_routing::test_paths_with_root_path",
        "test_routing::test_url_for_with_root_path",
        "test_routing::test_url_for_with_root_path_ending_with_slash",
    ],
    "a Host that is none is refused by the server (RFC 9112, 3.2)": [
        "test_https_redirect::test_https_redirect_middleware",
        "test_routing::test_host_routing_rejects_invalid_hosts",
    ],
    "why a handshake was refused is not told (ASGI: 403)": [
        "test_staticfiles::test_staticfiles_websocket",
        "test_websockets::test_rejected_connection",
        "test_websockets::test_send_response_unsupported",
    ],
    "http.response.debug is between the test client and the app": [
        "test_templates::test_calls_context_processors",
        "test_templates::test_template_with_middleware",
        "test_templates::test_templates",
        "test_templates::test_templates_with_directories",
        "test_templates::test_templates_with_environment",
    ],
    "no client that keeps to HTTP sends this": [
        "test_body_limit::test_received_bytes_are_counted_with_unreliable_content_length",
        "test_requests::test_cookies_invalid",
        "test_staticfiles::test_staticfiles_304_with_if_none_match_wildcard",
        "test_websockets::test_receive_wrong_message_type",
    ],
    "the key of a handshake is random": ["test_websockets::test_websocket_headers"],
    "an error's page has a text": ["test_exceptions::test_force_500_response"],
    "there is no push in HTTP/1.1": ["test_requests::test_request_send_push_promise"],
    "1xx ends no answer (RFC 9110, 15.2)": ["test_responses::test_response_phrase"],
    "a client's context is not the app's": [
        "test_concurrency::test_accessing_context_from_threaded_sync_endpoint",
    ],
    "root may read all": [
        "test_staticfiles::test_staticfiles_with_invalid_dir_permissions_returns_401",
    ],
}


class Transport(httpx.BaseTransport):
    def __init__(self, app, portal_factory, raise_server_exceptions, root_path, **given):
        self.app = app
        self.raises = raise_server_exceptions
        self.open = set()

    def handle_request(self, request):
        if request.url.scheme in ("ws", "wss"):
            raise testclient._Upgrade(WebSocket(self.app, request))
        return Answer(self.app, request, self.raises, self.open).response()

    def close(self):
        while self.open:
            next(iter(self.open)).close()


class Answer(httpx.SyncByteStream):
    """The response to one request, on its own connection."""

    def __init__(self, app, request, raises, among):
        self.request = request
        self.raises = raises
        self.among = among
        among.add(self)
        self.trailers = []
        self.whole = False
        self.stack = contextlib.ExitStack()
        self.socket, self.call = self.stack.enter_context(served.connect(app))
        self.http = h11.Connection(h11.CLIENT)

    def response(self):
        request = self.request
        fields = request.headers.raw
        if "trailers" in os.environ["PYTEST_CURRENT_TEST"]:
            # The test client always accepts them.
            fields = [*fields, (b"TE", b"trailers")]
        if request.url.scheme == "https":
            # As a trusted proxy reports it.
            fields = [*fields, (b"X-Forwarded-Proto", b"https")]
        self.send(h11.Request(method=request.method, target=request.url.raw_path, headers=fields))
        for part in request.stream:
            self.send(h11.Data(data=part))
        self.send(h11.EndOfMessage())
        head = self.next()
        while isinstance(head, h11.InformationalResponse):
            head = self.next()
        return httpx.Response(
            head.status_code,
            headers=self.call.own(head.headers.raw_items()),
            stream=self,
            request=request,
            extensions={"http.response.trailers": self.trailers},
        )

    def send(self, event):
        self.socket.sendall(self.http.send(event))

    def next(self):
        while (event := self.http.next_event()) is h11.NEED_DATA:
            self.http.receive_data(self.socket.recv(65536))
        return event

    def __iter__(self):
        try:
            while not isinstance(event := self.next(), h11.EndOfMessage):
                yield bytes(event.data)
        except h11.RemoteProtocolError:
            # The app has ended an incomplete response.
            self.call.over.wait(30)
            if self.call.error is None:
                raise
        self.trailers.extend(event.headers if isinstance(event, h11.EndOfMessage) else ())
        self.whole = True
        self.close()

    def close(self):
        if self not in self.among:
            return
        self.among.remove(self)
        self.stack.close()
        try:
            self.call.finish()
        except Exception:
            # The app may raise because a client left early.
            if self.raises and self.whole:
                raise


class WebSocket:
    """A WebSocket with the messages of the test client."""

    receive_text = testclient.WebSocketTestSession.receive_text
    receive_bytes = testclient.WebSocketTestSession.receive_bytes
    receive_json = testclient.WebSocketTestSession.receive_json
    send_text = testclient.WebSocketTestSession.send_text
    send_bytes = testclient.WebSocketTestSession.send_bytes
    send_json = testclient.WebSocketTestSession.send_json
    close = testclient.WebSocketTestSession.close
    _raise_on_close = testclient.WebSocketTestSession._raise_on_close

    def __init__(self, app, request):
        self.app = app
        self.request = request
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        try:
            self.open()
        except BaseException:
            if not self.__exit__(*sys.exc_info()):
                raise
        return self

    def open(self):
        client, self.call = self.stack.enter_context(served.connect(self.app))
        fields = self.request.headers
        words = fields.get("sec-websocket-protocol")
        try:
            self.socket = websockets.sync.client.connect(
                str(self.request.url),
                sock=client,
                subprotocols=words and [word.strip() for word in words.split(",")],
                additional_headers=[
                    (name, value)
                    for name, value in fields.multi_items()
                    if name not in ("host", "connection", "user-agent", "accept-encoding")
                    and not name.startswith("sec-websocket-")
                ],
                user_agent_header=fields["user-agent"],
                ping_interval=None,
                proxy=None,
            )
        except InvalidStatus as refused:
            self.call.finish()
            response = refused.response
            raw = [(name.encode(), value.encode()) for name, value in response.headers.raw_items()]
            raise testclient.WebSocketDenialResponse(
                status_code=response.status_code,
                headers=self.call.own(raw),
                content=bytes(response.body),
            ) from None
        self.stack.enter_context(self.socket)
        self.accepted_subprotocol = self.socket.subprotocol
        raw = self.socket.response.headers.raw_items()
        self.extra_headers = [
            (name.encode(), value.encode())
            for name, value in raw
            if name.lower().encode() in self.call.fields
        ]

    def __exit__(self, *error):
        self.stack.close()
        if hasattr(self, "call"):
            self.call.finish()

    def send(self, message):
        try:
            if message["type"] == "websocket.disconnect":
                self.socket.close(message.get("code", 1000), message.get("reason") or "")
            else:
                self.socket.send(message["text"] if "text" in message else message["bytes"])
        except ConnectionClosed:
            pass

    def receive(self):
        try:
            data = self.socket.recv(30)
        except ConnectionClosed as closed:
            if closed.rcvd is None:
                self.call.finish()
                raise
            return {
                "type": "websocket.close",
                "code": closed.rcvd.code,
                "reason": closed.rcvd.reason,
            }
        return {"type": "websocket.send", "text" if isinstance(data, str) else "bytes": data}


def uses_server(item):
    parameters = getattr(item, "callspec", None)
    backend = parameters and parameters.params.get("anyio_backend_name", "asyncio")
    return "test_client_factory" in item.fixturenames and backend != "trio"


def run(tell):
    testclient._TestClientTransport = Transport
    served.run_tests(tell, source, uses_server, OTHERWISE, IGNORED)


app = served.serving(run)
