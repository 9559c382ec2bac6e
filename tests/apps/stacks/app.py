"""Apps of each kind, whose requests wait until the file `go` exists. The functions that
wait are called `view`, `deeper` and `waits`."""

import asyncio
import os
import time


def go():
    return os.path.exists(os.environ["GO"])


# WSGI


def wsgi(environ, start_response):
    if environ["PATH_INFO"] == "/wait":
        view()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"done"]


def view():
    deeper()


def deeper():
    while not go():
        waits()


def waits():
    time.sleep(0.05)


# ASGI


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    if scope["path"] == "/wait":
        await aview()
    elif scope["path"] == "/thread":
        await asyncio.to_thread(view)
    elif scope["path"] == "/receive":
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"done"})


async def aview():
    async for _ in asteps():
        await adeeper()


async def asteps():
    yield 1


async def adeeper():
    await asyncio.gather(achild())


async def achild():
    while not go():
        await asyncio.sleep(0.05)


# Sites that need packages


def starlette():
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    def sync_view(request):
        view()
        return PlainTextResponse("done")

    async def async_view(request):
        await aview()
        return PlainTextResponse("done")

    async def root(request):
        return PlainTextResponse("done")

    return Starlette(
        routes=[Route("/", root), Route("/wait", async_view), Route("/thread", sync_view)]
    )


def tornado():
    from tornado.web import Application, RequestHandler

    class Root(RequestHandler):
        def get(self):
            self.finish("done")

    class Wait(RequestHandler):
        async def get(self):
            await aview()
            self.finish("done")

    return Application([("/", Root), ("/wait", Wait)])


def aiohttp():
    from aiohttp import web

    async def root(request):
        return web.Response(text="done")

    async def wait(request):
        await aview()
        return web.Response(text="done")

    app = web.Application()
    app.add_routes([web.get("/", root), web.get("/wait", wait)])
    return app


def spawning(environ, start_response):
    """For gevent: a greenlet of the request's own waits."""
    import gevent

    if environ["PATH_INFO"] == "/spawn":
        gevent.spawn(view).join()
    return wsgi(environ, start_response)
