"""A small Tornado site and a WSGI app: handlers that wait, stream and receive; a chat
over WebSockets."""

import asyncio
import sys

from tornado.httpclient import AsyncHTTPClient
from tornado.ioloop import IOLoop
from tornado.web import Application, HTTPError, RequestHandler, stream_request_body
from tornado.websocket import WebSocketHandler

started = []
# Work that is started while the app is imported runs on the loop that serves.
IOLoop.current().add_callback(started.append, "started")


def note(text):
    print("note:", text, file=sys.stderr, flush=True)


class Main(RequestHandler):
    def get(self):
        self.set_cookie("visited", "yes")
        self.write({"started": started, "remote": self.request.remote_ip})

    def post(self):
        upload = self.request.files["file"][0]
        self.write(f"{self.get_body_argument('name')} {len(upload.body)}")


class Cookies(RequestHandler):
    def get(self):
        self.write(" ".join(f"{name}={it.value}" for name, it in self.cookies.items()))


class Interim(RequestHandler):
    def get(self):
        self.set_status(101)


class Sleep(RequestHandler):
    async def get(self):
        await asyncio.sleep(1)
        self.write("slept")


class Lines(RequestHandler):
    async def get(self):
        for number in range(3):
            self.write(f"{number}\n")
            await self.flush()


class Wait(RequestHandler):
    def on_connection_close(self):
        self.gone.set()

    async def get(self):
        self.gone = asyncio.Event()
        note("waiting")
        await self.gone.wait()
        note("the client has gone")


class Endless(RequestHandler):
    async def get(self):
        block = b"x" * 65536
        blocks = 0
        try:
            while True:
                self.write(block)
                await self.flush()
                blocks += 1
        finally:
            note(f"streamed, {blocks > 3}")


@stream_request_body
class Receive(RequestHandler):
    def prepare(self):
        self.length = 0
        self.pieces = 0
        self.request.connection.set_max_body_size(1_000_000)

    async def data_received(self, chunk):
        await asyncio.sleep(0)
        self.length += len(chunk)
        self.pieces += 1
        if self.pieces == 1:
            note("a body begins")

    def put(self):
        self.write(f"{self.length} {self.pieces > 1}")

    def on_connection_close(self):
        note(f"{self.length > 0}, but not all of it")


class Relay(RequestHandler):
    """Tornado's own client, on the same loop."""

    async def get(self):
        url = f"http://{self.request.host}/lines"
        answer = await AsyncHTTPClient().fetch(url)
        self.write(answer.body)


class Raises(RequestHandler):
    def get(self):
        raise HTTPError(418, reason="Teapot") if self.get_argument("tea", "") else KeyError("cup")


class Chat(WebSocketHandler):
    room = set()

    def prepare(self):
        self.name = self.get_argument("name")

    def select_subprotocol(self, subprotocols):
        return "chat" if "chat" in subprotocols else None

    async def open(self, *words):
        await asyncio.sleep(0.01)
        self.room.add(self)

    async def on_message(self, message):
        if message == "bye":
            return self.close(4000, "as you wish")
        if message == "stumble":
            raise KeyError("foot")
        if isinstance(message, bytes):
            return await self.write_message(message[::-1], binary=True)
        for other in self.room:
            other.write_message({"from": self.name, "text": message})

    def on_close(self):
        self.room.discard(self)
        note(f"{self.name} leaves with {self.close_code} {self.close_reason}")


app = Application(
    [
        ("/", Main),
        ("/cookies", Cookies),
        ("/interim", Interim),
        ("/sleep", Sleep),
        ("/lines", Lines),
        ("/wait", Wait),
        ("/endless", Endless),
        ("/receive", Receive),
        ("/relay", Relay),
        ("/raises", Raises),
        ("/chat", Chat),
    ],
    websocket_max_message_size=100,
)


def wsgi(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["REQUEST_METHOD"].encode(), b" ", body]
