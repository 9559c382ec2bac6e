"""A small aiohttp site: handlers that wait, stream and receive; files, an echo over
WebSockets, and an app from a coroutine function."""

import asyncio
import sys

from aiohttp import WSMsgType, web


def note(text):
    print("note:", text, file=sys.stderr, flush=True)


async def main(request):
    return web.json_response(
        {"remote": request.remote, "scheme": request.scheme, "q": request.query.get("q")},
        headers={"X-Started": str(request.app[STARTED])},
    )


async def lines(request):
    response = web.StreamResponse()
    await response.prepare(request)
    for number in range(3):
        await response.write(f"{number}\n".encode())
    await response.write_eof()
    return response


async def form(request):
    data = await request.post()
    return web.Response(text=f"{data['name']} {len(data['file'].file.read())}")


async def receive(request):
    size = 0
    async for block in request.content.iter_any():
        if size == 0:
            note("a body begins")
        size += len(block)
    return web.Response(text=str(size))


async def endless(request):
    response = web.StreamResponse()
    await response.prepare(request)
    try:
        while True:
            await response.write(b"x" * 65536)
    except ConnectionError:
        note("the client has gone")
        raise


async def breaks(request):
    response = web.StreamResponse()
    if "length" in request.query:
        response.content_length = 100
    await response.prepare(request)
    await response.write(b"half")
    raise RuntimeError("no other half")


async def raises(request):
    if "tea" in request.query:
        raise web.HTTPForbidden(text="no tea")
    return request.app["cup"]


async def sleep(request):
    await asyncio.sleep(0.3)
    return web.Response(text="slept")


async def source(request):
    return web.FileResponse(__file__)


async def socket(request):
    if "refuse" in request.query:
        raise web.HTTPForbidden(text="refused")
    response = web.WebSocketResponse(protocols=["chat"], heartbeat=5)
    await response.prepare(request)
    await response.ping()
    async for message in response:
        if message.type == WSMsgType.TEXT:
            if message.data == "close":
                await response.close(code=3000, message=b"bye")
            else:
                await response.send_str(message.data.upper())
        elif message.type == WSMsgType.BINARY:
            await response.send_bytes(message.data[::-1])
    note(f"closed with {response.close_code}")
    return response


STARTED = web.AppKey("started", int)


async def life(app):
    app[STARTED] = 1
    yield
    note("cleaned up")


def make_app():
    app = web.Application()
    app.cleanup_ctx.append(life)
    app.add_routes(
        [
            web.get("/", main),
            web.get("/lines", lines),
            web.post("/form", form),
            web.put("/receive", receive),
            web.get("/endless", endless),
            web.get("/breaks", breaks),
            web.get("/raises", raises),
            web.get("/sleep", sleep),
            web.get("/source", source),
            web.get("/socket", socket),
        ]
    )
    return app


app = make_app()


async def factory():
    return make_app()


async def broken():
    raise RuntimeError("no app today")
