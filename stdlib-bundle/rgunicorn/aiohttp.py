"""The aiohttp worker: this module makes an ASGI app of an aiohttp app, and the asgi
worker serves it.

aiohttp serves a connection with an asyncio protocol. Here each request has its own
protocol, whose transport is the worker: the request is written again for it, and what
it sends is parsed as a response.
"""

import asyncio
import inspect
import logging
import os
import traceback

from _rgunicorn import asgi

# aiohttp would send files through the socket, which belongs to the worker. It reads
# this variable when it is imported.
os.environ.setdefault("AIOHTTP_NOSENDFILE", "1")

try:
    from aiohttp import web
except ImportError:
    raise asgi.BootError(
        "The worker class 'aiohttp' needs aiohttp: add it to the app's packages."
    ) from None

# Fields of a response that only the server sets.
OURS = {
    b"connection",
    b"date",
    b"keep-alive",
    b"sec-websocket-accept",
    b"server",
    b"transfer-encoding",
    b"upgrade",
}

# Frames of WebSockets (RFC 6455 section 5.2).
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
LAST = MASKED = 0x80


def prepare(loop):
    """Sets the event loop that the app finds while it is imported."""
    asyncio.set_event_loop(asgi.loop_factory(loop)())


def run(worker, app, settings):
    """Serves until the worker must stop."""
    if not isinstance(app, web.Application) and not inspect.iscoroutinefunction(app):
        raise asgi.BootError(
            f"{app!r} is no aiohttp.web.Application, nor a coroutine function that gives one."
        )
    bridge = Bridge(app, settings["graceful_timeout"])
    asgi.run(worker, bridge, settings | {"lifespan": "on"}, asyncio.get_event_loop)


class Bridge:
    """An aiohttp app as an ASGI app."""

    def __init__(self, app, graceful_timeout):
        self._app = app
        self._graceful_timeout = graceful_timeout
        self._runner = None

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            return await self._lifespan(receive, send)
        protocol = self._runner.server()
        transport = Transport(scope, send, protocol)
        protocol.connection_made(transport)
        protocol.data_received(_head(scope))
        serve = self._http if scope["type"] == "http" else self._websocket
        await serve(scope, receive, transport)

    async def _lifespan(self, receive, send):
        await receive()
        try:
            await self._set_up()
        except Exception:
            message = "\n" + traceback.format_exc()
            return await send({"type": "lifespan.startup.failed", "message": message})
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._runner.cleanup()
        await send({"type": "lifespan.shutdown.complete"})

    async def _set_up(self):
        app = self._app
        if not isinstance(app, web.Application):
            app = await app()
        if isinstance(app, web.AppRunner):
            self._runner = app
        else:
            self._runner = web.AppRunner(
                app,
                logger=logging.getLogger("gunicorn.error"),
                access_log=None,
                shutdown_timeout=self._graceful_timeout * 0.95,
            )
        await self._runner.setup()

    async def _http(self, scope, receive, transport):
        chunked = any(name == b"transfer-encoding" for name, _ in scope["headers"])
        more = True
        while more:
            message = await transport.next(receive)
            if message["type"] == "http.disconnect":
                break
            transport.take(_body(message, chunked))
            more = message["more_body"]
            await transport.wait_until_read()
        else:
            # It comes after the response, or instead of it.
            await transport.next(receive)
        if not transport.is_answered:
            transport.lose()
        await transport.closed

    async def _websocket(self, scope, receive, transport):
        await transport.next(receive)
        while (message := await transport.next(receive))["type"] == "websocket.receive":
            text = message.get("text")
            opcode = BINARY if text is None else TEXT
            transport.take(_frame(opcode, message["bytes"] if text is None else text.encode()))
            await transport.wait_until_read()
        code = message.get("code") or 1006
        if code == 1006:
            transport.lose()
        else:
            # These codes mean that the client sent none.
            said = b"" if code == 1005 else code.to_bytes(2) + (message["reason"] or "").encode()
            transport.take(_frame(CLOSE, said))
        await transport.closed


class Transport(asyncio.Transport):
    """The client, as the protocol sees it."""

    def __init__(self, scope, send, protocol):
        super().__init__()
        self._scope = scope
        self._send = send
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._answer = Answer(scope, self._say, self._pong)
        self._readable = asyncio.Event()
        self._readable.set()
        self._unsent = 0
        self._is_closing = False
        self._is_lost = False
        # Done when the protocol is done with the connection.
        self.closed = self._loop.create_future()

    @property
    def is_answered(self):
        return self._answer.is_done

    # Methods for the bridge.

    def take(self, data):
        """The client has sent bytes."""
        if data and not self._is_lost:
            self._protocol.data_received(data)

    async def next(self, receive):
        """The next ASGI message. It is a disconnect if the protocol is done with the
        connection."""
        task = asyncio.Task(_received(receive), loop=self._loop, eager_start=True)
        if not task.done():
            await asyncio.wait([task, self.closed], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        task.cancel()
        return {"type": f"{self._scope['type']}.disconnect"}

    async def wait_until_read(self):
        await self._readable.wait()

    def lose(self):
        """The client is gone, or the connection is no longer needed."""
        self._is_closing = True
        if not self._is_lost:
            self._is_lost = True
            self._readable.set()
            self._protocol.connection_lost(None)
        if not self.closed.done():
            self.closed.set_result(None)

    # Methods for the protocol.

    def get_extra_info(self, name, default=None):
        info = {
            "peername": self._scope["client"],
            "sockname": self._scope["server"],
            # aiohttp only checks whether there is one.
            "sslcontext": self._scope["scheme"] in ("https", "wss") or None,
        }
        return info.get(name, default)

    def get_protocol(self):
        return self._protocol

    def set_protocol(self, protocol):
        self._protocol = protocol

    def write(self, data):
        if not self._is_closing:
            self._answer.take(bytes(data))

    def writelines(self, parts):
        self.write(b"".join(parts))

    def can_write_eof(self):
        return False

    def get_write_buffer_size(self):
        return 0

    def set_write_buffer_limits(self, high=None, low=None):
        """Does nothing: the worker has its own limits."""

    def is_reading(self):
        return self._readable.is_set()

    def pause_reading(self):
        self._readable.clear()

    def resume_reading(self):
        self._readable.set()

    def is_closing(self):
        return self._is_closing

    def close(self):
        if not self._is_closing:
            self._answer.close()
            self._end()

    abort = close

    # Methods for the response.

    def _say(self, message):
        """Sends an ASGI message. The protocol waits if the client reads too slowly."""
        try:
            room = self._send(message)
        except OSError:
            return self._end()
        task = asyncio.Task(self._wait(room), loop=self._loop, eager_start=True)
        if not task.done():
            self._unsent += 1
            if self._unsent == 1:
                self._protocol.pause_writing()
            task.add_done_callback(self._sent)

    def _sent(self, task):
        self._unsent -= 1
        if self._unsent == 0 and not self._is_lost:
            self._protocol.resume_writing()

    async def _wait(self, room):
        try:
            await room
        except OSError:
            self._end()

    def _end(self):
        """From now on nothing is sent. The protocol is told in the next turn of the
        loop."""
        self._is_closing = True
        self._loop.call_soon(self.lose)

    def _pong(self, payload):
        """Answers a ping from the app: the worker sends its own."""
        self._loop.call_soon(self.take, _frame(PONG, payload))


class Answer:
    """Turns what a protocol sends into ASGI messages."""

    def __init__(self, scope, say, pong):
        self._scope = scope
        self._say = say
        self._pong = pong
        self._kind = "http.response"
        if scope["type"] == "websocket":
            # Until the WebSocket is accepted, a handler may send a response instead.
            self._kind = "websocket.http.response"
        self._received = b""
        self._next = self._head
        # Bytes of the body that are still to come; None if the body has another end.
        self._left = None
        self._parts = []
        self._opcode = None
        self.is_done = False

    def take(self, data):
        self._received += data
        while not self.is_done and self._next():
            pass

    def close(self):
        """Nothing more comes. The worker ends the connection if the response is not
        complete."""
        if self.is_done:
            return
        if self._next == self._head:
            self._say({"type": f"{self._kind}.start", "status": 500, "headers": []})
            self._end()
        elif self._next == self._rest and self._left is None:
            self._end()
        elif self._next == self._frame:
            self._closed(1006, "")

    # Each of these methods takes bytes that have arrived. It returns whether it took
    # any.

    def _head(self):
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return False
        self._received = rest
        line, *fields = head.split(b"\r\n")
        status = int(line.split(b" ", 2)[1])
        fields = [tuple(part.strip() for part in field.split(b":", 1)) for field in fields]
        named = {name.lower(): value for name, value in fields}
        if status == 101:
            self._accept(named, fields)
        elif status >= 200:
            self._begin(status, named, fields)
        return True

    def _begin(self, status, named, fields):
        fields = [field for field in fields if field[0].lower() not in OURS]
        self._say({"type": f"{self._kind}.start", "status": status, "headers": fields})
        if self._scope.get("method") == "HEAD" or status in (204, 304):
            self._end()
        elif b"chunked" in named.get(b"transfer-encoding", b""):
            self._next = self._chunk
        else:
            self._next = self._rest
            if b"content-length" in named:
                self._left = int(named[b"content-length"])
                if self._left == 0:
                    self._end()

    def _chunk(self):
        line, end, rest = self._received.partition(b"\r\n")
        if not end:
            return False
        length = int(line.partition(b";")[0], 16)
        if length == 0:
            self._end()
            return True
        if len(rest) < length + 2:
            return False
        self._received = rest[length + 2 :]
        self._body(rest[:length])
        return True

    def _rest(self):
        data, self._received = self._received, b""
        if not data:
            return False
        self._body(data)
        if self._left is not None:
            self._left -= len(data)
            if self._left <= 0:
                self._end()
        return True

    def _body(self, data):
        self._say({"type": f"{self._kind}.body", "body": data, "more_body": True})

    def _end(self):
        self.is_done = True
        self._say({"type": f"{self._kind}.body"})

    def _accept(self, named, fields):
        subprotocol = named.get(b"sec-websocket-protocol")
        theirs = OURS | {b"sec-websocket-extensions", b"sec-websocket-protocol"}
        fields = [field for field in fields if field[0].lower() not in theirs]
        self._next = self._frame
        self._say(
            {
                "type": "websocket.accept",
                "subprotocol": subprotocol and subprotocol.decode(),
                "headers": fields,
            }
        )

    def _frame(self):
        """Reads a frame from a server, which is not masked."""
        data = self._received
        if len(data) < 2:
            return False
        start, length = 2, data[1]
        if length > 125:
            start = 4 if length == 126 else 10
            length = int.from_bytes(data[2:start])
        if len(data) < start + length:
            return False
        payload, self._received = data[start : start + length], data[start + length :]
        opcode, is_last = data[0] & 0x0F, data[0] & LAST
        if opcode == CLOSE:
            code = int.from_bytes(payload[:2]) if payload else 1000
            self._closed(code, payload[2:].decode(errors="replace"))
        elif opcode == PING:
            self._pong(payload)
        elif opcode in (CONTINUATION, TEXT, BINARY):
            self._parts.append(payload)
            self._opcode = opcode or self._opcode
            if is_last:
                self._message()
        return True

    def _message(self):
        content, self._parts = b"".join(self._parts), []
        kind = {"text": content.decode()} if self._opcode == TEXT else {"bytes": content}
        self._say({"type": "websocket.send"} | kind)

    def _closed(self, code, reason):
        self.is_done = True
        self._say({"type": "websocket.close", "code": code, "reason": reason})


async def _received(receive):
    return await receive()


def _head(scope):
    """The head of a request for the protocol."""
    uri = scope["raw_path"]
    if scope["query_string"]:
        uri += b"?" + scope["query_string"]
    is_websocket = scope["type"] == "websocket"
    lines = [b"%s %s HTTP/1.1" % (scope.get("method", "GET").encode(), uri)]
    for name, value in scope["headers"]:
        # The worker compresses messages. Fields for other protocols than HTTP have no
        # meaning here.
        if name == b"sec-websocket-extensions":
            continue
        if name in (b"connection", b"upgrade") and not is_websocket:
            continue
        lines.append(b"%s: %s" % (name, value))
    if not is_websocket:
        # The protocol serves only one request.
        lines.append(b"connection: close")
    return b"\r\n".join([*lines, b"", b""])


def _body(message, chunked):
    """Bytes of a body as they are sent over a connection."""
    data = message["body"]
    if not chunked:
        return data
    framed = b"%x\r\n%s\r\n" % (len(data), data) if data else b""
    return framed if message["more_body"] else framed + b"0\r\n\r\n"


def _frame(opcode, payload):
    """A frame from a client, with a mask of zeros."""
    length = len(payload)
    if length < 126:
        size = bytes([MASKED | length])
    elif length < 1 << 16:
        size = bytes([MASKED | 126]) + length.to_bytes(2)
    else:
        size = bytes([MASKED | 127]) + length.to_bytes(8)
    return bytes([LAST | opcode]) + size + bytes(4) + payload
