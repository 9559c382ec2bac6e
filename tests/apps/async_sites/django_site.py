"""Django with async views and Channels, in one module."""

import asyncio
import os
import sys

import django
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    DEBUG=False,
    ROOT_URLCONF=__name__,
    SECRET_KEY="of a test",
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
)
django.setup()

from channels.generic.websocket import AsyncJsonWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse  # noqa: E402
from django.urls import path  # noqa: E402


async def welcome(request):
    await asyncio.sleep(0)
    return JsonResponse({"async": True, "body": request.body.decode()})


def in_a_thread(request):
    return HttpResponse("sync view")


async def lines(request):
    async def parts():
        for number in range(3):
            await asyncio.sleep(0)
            yield f"{number}\n"

    return StreamingHttpResponse(parts())


async def slow(request):
    print("slow view", file=sys.stderr, flush=True)
    try:
        await asyncio.sleep(1000)
    except asyncio.CancelledError:
        print("slow view cancelled", file=sys.stderr, flush=True)
        raise
    return HttpResponse(os.getcwd())


class Room(AsyncJsonWebsocketConsumer):
    groups = ["room"]

    async def receive_json(self, content):
        await self.channel_layer.group_send("room", {"type": "said", "text": content["text"]})

    async def said(self, event):
        await self.send_json({"said": event["text"]})


urlpatterns = [
    path("", welcome),
    path("thread", in_a_thread),
    path("lines", lines),
    path("slow", slow),
]

app = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": URLRouter([path("room", Room.as_asgi())]),
    }
)
