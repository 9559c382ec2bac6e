"""The tornado worker: this module makes an ASGI app of a Tornado app, and the asgi
worker serves it. As in Gunicorn, Tornado's own WSGIContainer serves a WSGI app.

Tornado's loop is that of asyncio. The socket belongs to the worker, so there is no
IOStream; handlers use `HTTPConnection` and `WebSocketProtocol` below instead.
"""

import asyncio

from _rgunicorn import asgi

try:
    from tornado import escape, httpserver, httputil, iostream, websocket, wsgi
except ImportError:
    raise asgi.BootError(
        "The worker class 'tornado' needs tornado: add it to the app's packages."
    ) from None

# Tornado's own limit, which a handler may change: it keeps the body in memory.
LONGEST_BODY = 100 * 1024 * 1024


def prepare(loop):
    """Sets the event loop that the app finds while it is imported."""
    asyncio.set_event_loop(asgi.loop_factory(loop)())


def run(worker, app, settings):
    """Serves until the worker must stop."""
    if not isinstance(app, httputil.HTTPServerConnectionDelegate):
        # It does not listen; it only calls the container.
        app = httpserver.HTTPServer(wsgi.WSGIContainer(app))
    websocket.WebSocketHandler.get_websocket_protocol = _websocket_protocol
    asgi.run(worker, Bridge(app), settings | {"lifespan": "off"}, asyncio.get_event_loop)


class Bridge:
    """An `HTTPServerConnectionDelegate`, such as an Application, as an ASGI app."""

    def __init__(self, app):
        self._app = app

    async def __call__(self, scope, receive, send):
        connection = Connection(scope, send)
        delegate = self._app.start_request(connection, connection)
        try:
            await _wait(delegate.headers_received(connection.start_line, connection.headers))
        except httputil.HTTPInputError as error:
            return connection.refuse(400, str(error))
        serve = self._http if scope["type"] == "http" else self._websocket
        await serve(connection, delegate, receive)

    async def _http(self, connection, delegate, receive):
        received, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return connection.end(delegate.on_connection_close)
            received += len(message["body"])
            if received > connection.longest_body:
                connection.refuse(413, "The body is too long.")
                return delegate.on_connection_close()
            if message["body"]:
                await _wait(delegate.data_received(message["body"]))
            more = message["more_body"]
        if not connection.finished:
            delegate.finish()
        # It comes after the response, or instead of it.
        await receive()
        connection.end(connection.close_callback)

    async def _websocket(self, connection, delegate, receive):
        await receive()
        delegate.finish()
        while (message := await receive())["type"] == "websocket.receive":
            await connection.websocket.take(message)
        if connection.websocket is None:
            return connection.end(connection.close_callback)
        connection.closed = True
        connection.websocket.end(message)


class Connection(httputil.HTTPConnection):
    """The client, as handlers see it: `request.connection`."""

    def __init__(self, scope, send):
        uri = scope["raw_path"]
        if scope["query_string"]:
            uri += b"?" + scope["query_string"]
        method, version = scope.get("method", "GET"), f"HTTP/{scope['http_version']}"
        self.start_line = httputil.RequestStartLine(method, uri.decode("latin1"), version)
        self.headers = httputil.HTTPHeaders()
        for name, value in scope["headers"]:
            self.headers.add(name.decode("latin1"), value.decode("latin1"))
        if scope["type"] == "http":
            # It has no meaning here, but a WebSocketHandler would use it.
            self.headers.pop("Upgrade", None)
        self.context = Context(scope)
        self.subprotocols = scope.get("subprotocols", [])
        self.longest_body = LONGEST_BODY
        self.finished = False
        self.websocket = None
        self._response = "http.response"
        if scope["type"] == "websocket":
            # Until the WebSocket is accepted, a handler may send a response instead.
            self._response = "websocket.http.response"
        self.closed = False
        self.close_callback = None
        self._send = send

    @property
    def stream(self):
        raise RuntimeError(
            "There is no IOStream here: rgunicorn reads and writes the connection itself."
        )

    def detach(self):
        return self.websocket or self.stream

    def set_close_callback(self, callback):
        self.close_callback = callback

    def set_body_timeout(self, timeout):
        """Does nothing: the server's settings limit the time for a body."""

    def set_max_body_size(self, size):
        self.longest_body = size

    def write_headers(self, start_line, headers, chunk=None):
        fields = [
            (escape.utf8(name), escape.native_str(value).encode("latin1"))
            for name, value in headers.get_all()
        ]
        if start_line.code == 101 and self.websocket is not None:
            return self.send(self.websocket.acceptance(fields))
        start = {"type": f"{self._response}.start", "status": start_line.code}
        try:
            written = self.send(start | {"headers": fields})
        except ValueError:
            # It cannot be sent, for example with a status of 1xx. Tornado takes it for
            # sent, so it would send nothing else.
            self.refuse(500, "Internal Server Error")
            raise
        return self.write(chunk) if chunk else written

    def write(self, chunk):
        body = {"type": f"{self._response}.body", "body": bytes(chunk), "more_body": True}
        return self.send(body)

    def finish(self):
        self.finished = True
        if self.websocket is None:
            self.send({"type": f"{self._response}.body"})

    def refuse(self, status, text):
        """Answers a request that the app does not get, or gets no more of."""
        if not self.finished:
            headers = httputil.HTTPHeaders({"Content-Type": "text/plain"})
            self.write_headers(httputil.ResponseStartLine("", status, ""), headers, text.encode())
            self.finish()

    def send(self, message, closed=iostream.StreamClosedError):
        """Sends an ASGI message. The future is for code that waits for room; it raises
        `closed` if the client is gone."""
        try:
            room = _raise(OSError()) if self.closed else self._send(message)
        except OSError as error:
            room = _raise(error)
        loop = asyncio.get_running_loop()
        future = asyncio.Task(_room(room, closed), loop=loop, eager_start=True)
        # Few users look at its exception.
        future.add_done_callback(lambda it: it.cancelled() or it.exception())
        return future

    def end(self, callback):
        """The client is gone, or has its response."""
        self.closed = True
        if not self.finished and callback is not None:
            callback()


class Context:
    """Where the request comes from."""

    def __init__(self, scope):
        self.address = scope["client"]
        # Tornado uses this address for clients of unix sockets.
        self.remote_ip = self.address[0] if self.address else "0.0.0.0"
        self.protocol = "https" if scope["scheme"] in ("https", "wss") else "http"

    def __str__(self):
        return self.remote_ip


class WebSocket(websocket.WebSocketProtocol):
    """A WebSocket. The worker handles its frames, limits, compression and pings."""

    def __init__(self, handler):
        super().__init__(handler)
        self._connection = handler.request.connection
        self._opened = asyncio.get_running_loop().create_future()
        self._subprotocol = None

    async def accept_connection(self, handler):
        self._subprotocol = handler.select_subprotocol(self._connection.subprotocols)
        self._connection.websocket = self
        handler.clear_header("Content-Type")
        handler.set_status(101)
        handler.finish()
        handler._detach_stream()
        opened = self._run_callback(handler.open, *handler.open_args, **handler.open_kwargs)
        await _wait(opened)
        self._opened.set_result(None)

    def acceptance(self, fields):
        kind = "websocket.accept"
        return {"type": kind, "subprotocol": self._subprotocol, "headers": fields}

    async def take(self, message):
        await self._opened
        text = message.get("text")
        content = message["bytes"] if text is None else text
        if len(content) > self.handler.max_message_size:
            return self.close(1009, "the message is too big")
        if not self.is_closing():
            await _wait(self._run_callback(self.handler.on_message, content))

    def end(self, message):
        self.client_terminated = True
        code = message["code"]
        # These codes mean that the client sent none.
        code = None if code in (1005, 1006) else code
        self.handler.on_ws_connection_close(code, message["reason"] or None)

    @property
    def selected_subprotocol(self):
        return self._subprotocol

    def is_closing(self):
        return self.client_terminated or self.server_terminated

    def write_message(self, message, binary=False):
        if binary:
            content = {"bytes": escape.utf8(message)}
        else:
            content = {"text": escape.to_unicode(message)}
        message = {"type": "websocket.send"} | content
        return self._connection.send(message, websocket.WebSocketClosedError)

    def close(self, code=None, reason=None):
        if not self.is_closing():
            self.server_terminated = True
            message = {"type": "websocket.close", "code": code or 1000, "reason": reason or ""}
            self._connection.send(message)

    def _abort(self):
        self.close(1011)

    def write_ping(self, data):
        raise RuntimeError(
            "Pings of an app cannot be sent: the setting websocket_ping_interval sends them."
        )

    def set_nodelay(self, x):
        """Does nothing: no message is ever delayed."""

    def start_pinging(self):
        """Does nothing: the worker sends pings."""

    # Methods for clients only.

    def _process_server_headers(self, key, headers):
        raise NotImplementedError

    async def _receive_frame_loop(self):
        raise NotImplementedError


def _websocket_protocol(handler):
    return WebSocket(handler)


async def _wait(awaitable):
    if awaitable is not None:
        await awaitable


async def _raise(error):
    raise error


async def _room(awaitable, closed):
    try:
        await awaitable
    except OSError:
        raise closed from None
