"""Uses a server over HTTP/2 with httpx, and with h2 alone: use.py URL streams|waits [CA-FILE]"""

import asyncio
import hashlib
import pathlib
import socket
import ssl
import sys
import tempfile
from urllib.parse import urlsplit

import h2.config
import h2.connection
import h2.events
import httpx

SITE, HOW = sys.argv[1:3]
AUTHORITY = sys.argv[3] if sys.argv[3:] else None
LARGE = bytes(range(256)) * 8192
SMALL = LARGE[:3000]


def text_of(body):
    return f"POST {len(body)} {hashlib.sha256(body).hexdigest()}"


LARGE_TEXT, SMALL_TEXT = text_of(LARGE), text_of(SMALL)
STREAM = b"".join(bytes([number]) * 10_000 for number in range(100))


async def blocks(size=10_000):
    """The same in blocks, of unknown number."""
    for start in range(0, len(LARGE), size):
        yield LARGE[start : start + size]


def trusting():
    context = ssl.create_default_context(cafile=AUTHORITY)
    # The authority of the test has no identifier.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


async def with_httpx():
    verify = trusting() if AUTHORITY else False
    async with httpx.AsyncClient(
        base_url=SITE, follow_redirects=True, http1=False, http2=True, verify=verify, timeout=60
    ) as client:
        for _ in range(20):
            answer = await client.get("/")
            assert (answer.http_version, answer.status_code, answer.text) == ("HTTP/2", 200, "hello"), answer
        peers = {(await client.get("/peer")).text for _ in range(20)}
        assert len(peers) == 1, peers
        version, scheme, host, address, _ = peers.pop().split()
        assert version in ("HTTP/2", "HTTP/2.0"), version
        assert f"{scheme}://{host}" == SITE and address == "127.0.0.1", (scheme, host, address)
        head = await client.head("/")
        assert (head.headers["content-length"], head.content) == ("5", b"")
        assert (await client.post("/digest", content=LARGE)).text == LARGE_TEXT
        assert (await client.post("/digest", content=blocks())).text == LARGE_TEXT
        assert (await client.post("/digest")).text == text_of(b"")
        answer = await client.post("/moved", content=LARGE)
        assert (answer.text, len(answer.history)) == (LARGE_TEXT, 1)
        assert (await client.get("/nothing")).status_code == 204
        assert (await client.get("/cookie")).text == "none"
        assert (await client.get("/cookie")).text == "a=b; c=d"
        async with client.stream("GET", "/stream") as answer:
            assert b"".join([part async for part in answer.aiter_bytes(7000)]) == STREAM
        # A client that gives up an answer in the middle uses its connection again.
        async with client.stream("GET", "/large") as answer:
            await anext(answer.aiter_bytes())
        assert (await client.get("/")).text == "hello"
        together = [client.get(path) for path in ["/", "/stream", "/large"] * 30]
        lengths = [len(answer.content) for answer in await asyncio.gather(*together)]
        assert lengths == [5, 1_000_000, 5_000_000] * 30, lengths
        # Only small bodies. With large ones, a request of httpcore 1.0 can wait for ever:
        # another request reads the frame that opens its window, and it does not notice.
        uploads = await asyncio.gather(*(client.post("/digest", content=SMALL) for _ in range(20)))
        assert {answer.text for answer in uploads} == {SMALL_TEXT}
        if HOW == "streams":
            await events(client)


async def events(client):
    """Each event comes when it is made."""
    with tempfile.TemporaryDirectory() as folder:
        go = pathlib.Path(folder, "go")
        async with client.stream("GET", f"/events?{go}") as answer:
            lines = answer.aiter_lines()
            assert await anext(lines) == "data: one"
            go.touch()
            rest = [line async for line in lines]
            assert rest == ["", "data: two", ""], rest


class Plain:
    """A connection with h2 alone."""

    def __init__(self):
        address = urlsplit(SITE)
        self.socket = socket.create_connection((address.hostname, address.port), timeout=60)
        if AUTHORITY:
            context = trusting()
            context.set_alpn_protocols(["h2"])
            self.socket = context.wrap_socket(self.socket, server_hostname=address.hostname)
            assert self.socket.selected_alpn_protocol() == "h2"
        self.state = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.state.initiate_connection()
        self.site = address

    def begin(self, path, fields=()):
        """Begins a POST and returns its stream."""
        stream = self.state.get_next_available_stream_id()
        pseudo = [(":method", "POST"), (":scheme", self.site.scheme), (":authority", self.site.netloc), (":path", path)]
        self.state.send_headers(stream, [*pseudo, ("te", "trailers"), *fields])
        return stream

    def events(self):
        """What has come, after what was to be sent."""
        self.socket.sendall(self.state.data_to_send())
        received = self.socket.recv(65536)
        assert received, "the server closed the connection"
        for event in self.state.receive_data(received):
            assert not isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)), event
            yield event

    def send_what_fits(self, stream, body):
        """Sends what the windows have room for, and returns the rest of the body."""
        while (room := self.state.local_flow_control_window(stream)) > 0:
            length = min(room, len(body), self.state.max_outbound_frame_size)
            block, body = body[:length], body[length:]
            self.state.send_data(stream, block, end_stream=not body)
            if not body:
                break
        return body

    def posts(self, path, body, count):
        """Sends the body on several streams at the same time, and returns the answers' bodies."""
        left = {self.begin(path): body for _ in range(count)}
        answers = dict.fromkeys(left, b"")
        open_streams = set(left)
        while open_streams:
            for stream in list(left):
                left[stream] = self.send_what_fits(stream, left[stream])
                if not left[stream]:
                    del left[stream]
            for event in self.events():
                if isinstance(event, h2.events.DataReceived):
                    answers[event.stream_id] += event.data
                elif isinstance(event, h2.events.StreamEnded):
                    open_streams.remove(event.stream_id)
        return [answer.decode() for answer in answers.values()]

    def post(self, path, parts, trailers, fields=()):
        """Returns the fields, the body and the trailers of the answer."""
        stream = self.begin(path, fields)
        for part in parts:
            self.state.send_data(stream, part)
        if trailers:
            self.state.send_headers(stream, trailers, end_stream=True)
        else:
            self.state.end_stream(stream)
        head, body, tail = None, b"", None
        while True:
            for event in self.events():
                if isinstance(event, h2.events.ResponseReceived):
                    head = dict(event.headers)
                elif isinstance(event, h2.events.DataReceived):
                    body += event.data
                    self.state.acknowledge_received_data(event.flow_controlled_length, stream)
                elif isinstance(event, h2.events.TrailersReceived):
                    tail = dict(event.headers)
                elif isinstance(event, h2.events.StreamEnded):
                    return head, body, tail


def with_h2():
    connection = Plain()
    assert set(connection.posts("/digest", LARGE, 20)) == {LARGE_TEXT}
    sha = hashlib.sha256(b"one two").hexdigest()
    for trailers in ([], [("x-sum", sha), ("x-more", "yes")]):
        head, body, _ = connection.post("/digest", [b"one ", b"two"], trailers)
        assert (head[":status"], body.decode()) == ("200", text_of(b"one two")), (head, body)
    if HOW == "streams":
        grpc = [("content-type", "application/grpc")]
        head, body, tail = connection.post("/trailers", [b"\0\0\0\0\0"], [], grpc)
        assert (head[":status"], body) == ("200", b"message"), (head, body)
        assert tail == {"grpc-status": "0", "grpc-message": "fine"}, tail


asyncio.run(with_httpx())
with_h2()
print("all is well")
