"""The pages of `plain.py` for ASGI, and a WebSocket that echoes."""

LARGE = b"x" * 100_000
BLOCKS = [b"y" * 1000] * 10
TEXT = (b"content-type", b"text/plain")


async def app(scope, receive, send):
    if scope["type"] == "http":
        await PAGES[scope["path"]](receive, send)
    elif scope["type"] == "websocket":
        await websocket(receive, send)
    else:
        raise RuntimeError("no lifespan here")


async def answer(send, body):
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [TEXT, length]})
    await send({"type": "http.response.body", "body": body})


async def hello(receive, send):
    await answer(send, b"Hello, world!\n")


async def echo(receive, send):
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    await answer(send, body)


async def large(receive, send):
    await answer(send, LARGE)


async def stream(receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [TEXT]})
    for block in BLOCKS:
        await send({"type": "http.response.body", "body": block, "more_body": True})
    await send({"type": "http.response.body"})


async def websocket(receive, send):
    while (message := await receive())["type"] != "websocket.disconnect":
        if message["type"] == "websocket.connect":
            await send({"type": "websocket.accept"})
        else:
            await send({"type": "websocket.send", **{k: message.get(k) for k in ("text", "bytes")}})


PAGES = {"/": hello, "/echo": echo, "/large": large, "/stream": stream}
