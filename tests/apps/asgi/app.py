"""Small ASGI apps for single tests."""

import asyncio
import json
import sys
from urllib.parse import parse_qs


def say(text):
    """Writes to the stream of the error log, where the test reads it."""
    print(text, file=sys.stderr, flush=True)


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
    elif scope["type"] == "websocket":
        await WEBSOCKETS[scope["path"]](scope, receive, send)
    else:
        await PAGES[scope["path"]](scope, receive, send)


async def lifespan(scope, receive, send):
    await receive()
    scope["state"]["greeting"] = "hello from the start"
    say("startup")
    await send({"type": "lifespan.startup.complete"})
    await receive()
    say("shutdown")
    await send({"type": "lifespan.shutdown.complete"})


async def body(receive):
    whole = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise RuntimeError(message["type"])
        whole += message["body"]
        if not message["more_body"]:
            return whole


async def answer(send, content, status=200, headers=()):
    headers = [(b"content-type", b"text/plain"), *headers]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


async def part(send, content, more=True):
    await send({"type": "http.response.body", "body": content, "more_body": more})


async def start(send, **more):
    await send({"type": "http.response.start", "status": 200, **more})


async def hello(scope, receive, send):
    await answer(send, b"Hello, world!")


async def echo(scope, receive, send):
    content = await body(receive)
    await answer(send, f"{scope['method']} ".encode() + content)


async def ignore(scope, receive, send):
    await answer(send, b"never mind")


async def length(scope, receive, send):
    total, messages = 0, 0
    while True:
        message = await receive()
        total += len(message["body"])
        messages += 1
        if not message["more_body"]:
            break
    await answer(send, f"{total} {messages > 1}".encode())


async def show(scope, receive, send):
    shown = {key: repr(value) for key, value in scope.items()}
    await answer(send, json.dumps(shown).encode())


async def sleep(scope, receive, send):
    await asyncio.sleep(float(scope["query_string"]))
    await answer(send, b"slept")


async def stream(scope, receive, send):
    """As many parts as requested, of the requested size, until the client is gone."""
    query = {key: int(value[0]) for key, value in parse_qs(scope["query_string"].decode()).items()}
    await start(send)
    sent = 0
    try:
        for _ in range(query["parts"]):
            await part(send, b"x" * query["size"])
            sent += query["size"]
        await part(send, b"", False)
    except OSError as error:
        say(f"client left: {type(error).__name__}")
        raise
    finally:
        say(f"streamed {sent}")


async def ticks(scope, receive, send):
    """Server-sent events, until the client is gone."""
    await start(send, headers=[(b"content-type", b"text/event-stream")])
    for number in range(int(scope["query_string"] or b"1000000")):
        await part(send, f"data: {number}\n\n".encode())
        await asyncio.sleep(0.02)
    await part(send, b"data: end\n\n", False)


async def wait(scope, receive, send):
    """Waits until the client is gone."""
    await body(receive)
    say("waiting")
    message = await receive()
    say(f"received {message['type']}")
    await asyncio.sleep(0)


async def stubborn(scope, receive, send):
    """Goes on although the client is gone."""
    try:
        say("begun")
        await asyncio.sleep(1000)
    except asyncio.CancelledError:
        say("cancelled")
        raise


async def background(scope, receive, send):
    await answer(send, b"answered")
    await asyncio.sleep(0.2)
    say("background done")


async def fail(scope, receive, send):
    raise ValueError("an error of the app's")


async def fail_late(scope, receive, send):
    await start(send)
    await part(send, b"part")
    raise ValueError("an error in the middle")


async def nothing(scope, receive, send):
    pass


async def path(scope, receive, send):
    await start(send)
    path = scope["query_string"].decode() or __file__
    await send({"type": "http.response.pathsend", "path": path})


async def hints(scope, receive, send):
    await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]})
    await answer(send, b"hinted")


async def hinted_echo(scope, receive, send):
    await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]})
    await echo(scope, receive, send)


async def trailers(scope, receive, send):
    await start(send, trailers=True)
    await part(send, b"body", False)
    await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"42")]})


async def loop(scope, receive, send):
    module = type(asyncio.get_running_loop()).__module__
    await answer(send, module.partition(".")[0].encode())


async def ws_echo(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            say(f"ws closed {message['code']} {message['reason']!r}")
            return
        message["type"] = "websocket.send"
        await send(message)


async def ws_frugal(scope, receive, send):
    """An echo that keeps no message while it waits for the next."""
    await receive()
    await send({"type": "websocket.accept"})
    while (data := (await receive()).get("bytes")) is not None:
        await send({"type": "websocket.send", "bytes": data})
        del data


async def ws_chat(scope, receive, send):
    """Accepts with the first subprotocol, says hello, closes on 'bye'."""
    await receive()
    names = scope["subprotocols"]
    headers = [(b"x-room", b"7")]
    accept = {"type": "websocket.accept", "headers": headers}
    if names:
        accept["subprotocol"] = names[0]
    await send(accept)
    await send({"type": "websocket.send", "text": "hello"})
    while (await receive()).get("text") != "bye":
        pass
    await send({"type": "websocket.close", "code": 4001, "reason": "you said bye"})


async def ws_scheme(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": scope["scheme"]})


async def ws_headstrong(scope, receive, send):
    """Sets fields in the handshake that only the server may set."""
    await receive()
    headers = [
        (b"server", b"mine"),
        (b"date", b"today"),
        (b"connection", b"close"),
        (b"upgrade", b"websocket"),
        (b"keep-alive", b"timeout=5"),
        (b"content-length", b"7"),
        (b"transfer-encoding", b"chunked"),
        (b"sec-websocket-accept", b"x"),
        (b"sec-websocket-extensions", b"x"),
        (b"sec-websocket-protocol", b"x"),
        (b"x-own", b"kept"),
    ]
    accept = {"type": "websocket.accept", "headers": headers}
    await send(accept | {"subprotocol": scope["query_string"].decode() or None})
    await receive()


async def ws_forge(scope, receive, send):
    """Accepts with a value that would end its line in the head."""
    await receive()
    forged = "x\r\nSet-Cookie: forged"
    match scope["query_string"]:
        case b"header":
            accept = {"headers": [(b"x-own", forged.encode())]}
        case _:
            accept = {"subprotocol": forged}
    await send({"type": "websocket.accept"} | accept)


async def ws_refuse(scope, receive, send):
    await receive()
    await send({"type": "websocket.close"})


async def ws_deny(scope, receive, send):
    await receive()
    await send({"type": "websocket.http.response.start", "status": 401, "headers": []})
    await send({"type": "websocket.http.response.body", "body": b"who are you?"})


async def ws_deny_and_wait(scope, receive, send):
    """Waits for the end in one task, and refuses in another."""
    await receive()

    async def connected():
        pass

    denial = asyncio.create_task(ws_deny(scope, connected, send))
    message = await receive()
    await denial
    say(f"after the denial: {message['type']}")


async def ws_fail(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    raise ValueError("an error in a websocket")


async def ws_flood(scope, receive, send):
    """Sends faster than anybody reads."""
    await receive()
    await send({"type": "websocket.accept"})
    sent = 0
    try:
        while True:
            await send({"type": "websocket.send", "bytes": b"x" * 65536})
            sent += 65536
            if sent == 2**20:
                say("flooding")
    except OSError:
        say(f"flooded {sent}")


async def ws_deaf(scope, receive, send):
    """Never receives."""
    await receive()
    await send({"type": "websocket.accept"})
    await asyncio.sleep(1000)


PAGES = {
    "/": hello,
    "/echo": echo,
    "/ignore": ignore,
    "/length": length,
    "/scope": show,
    "/sleep": sleep,
    "/stream": stream,
    "/ticks": ticks,
    "/wait": wait,
    "/stubborn": stubborn,
    "/background": background,
    "/fail": fail,
    "/fail-late": fail_late,
    "/nothing": nothing,
    "/path": path,
    "/hints": hints,
    "/hinted-echo": hinted_echo,
    "/trailers": trailers,
    "/loop": loop,
}

WEBSOCKETS = {
    "/frugal": ws_frugal,
    "/echo": ws_echo,
    "/chat": ws_chat,
    "/scheme": ws_scheme,
    "/headstrong": ws_headstrong,
    "/forge": ws_forge,
    "/refuse": ws_refuse,
    "/deny": ws_deny,
    "/deny-and-wait": ws_deny_and_wait,
    "/fail": ws_fail,
    "/flood": ws_flood,
    "/deaf": ws_deaf,
}


async def plain(scope, receive, send):
    """Does not support lifespan, and raises."""
    assert scope["type"] == "http"
    await answer(send, b"plain")


async def fails_to_start(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})


async def breaks_at_the_start(scope, receive, send):
    """Supports lifespan, and fails in it without a message."""
    if scope["type"] == "lifespan":
        await receive()
        raise ValueError("no database")
    await answer(send, b"ok")


async def cancelled_at_the_start(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        asyncio.current_task().cancel()
        await asyncio.sleep(0)
    await answer(send, b"ok")


async def fails_to_stop(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        raise ValueError("it is broken")
    await answer(send, b"ok")


class Double:
    """ASGI 2."""

    def __init__(self, scope):
        self.scope = scope

    async def __call__(self, receive, send):
        pass


def wsgi(environ, start_response):
    start_response("200 OK", [])
    return [b"wsgi"]
