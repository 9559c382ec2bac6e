"""Uploads, server-sent events and downloads with Django, for WSGI and for ASGI."""

import asyncio
import hashlib
import os
import time

import django
from django.conf import settings

settings.configure(ALLOWED_HOSTS=["*"], DEBUG=False, ROOT_URLCONF=__name__, SECRET_KEY="of a test")
django.setup()

from django.core.handlers.asgi import ASGIHandler, ASGIRequest  # noqa: E402
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.http import FileResponse, HttpResponse, StreamingHttpResponse  # noqa: E402
from django.urls import path  # noqa: E402


def is_async(request):
    return isinstance(request, ASGIRequest)


def welcome(request):
    version = f"HTTP/{request.scope['http_version']}" if is_async(request) else request.META["SERVER_PROTOCOL"]
    return HttpResponse(f"Welcome over {version}")


def upload(request):
    file = request.FILES["file"]
    sha = hashlib.sha256()
    for block in file.chunks():
        sha.update(block)
    return HttpResponse(f"{file.size} {sha.hexdigest()}")


def events(request):
    """The second event comes when the file in the query exists."""
    go = request.GET["go"]

    def lines():
        yield "data: one\n\n"
        while not os.path.exists(go):
            time.sleep(0.01)
        yield "data: two\n\n"

    async def async_lines():
        yield "data: one\n\n"
        while not os.path.exists(go):
            await asyncio.sleep(0.01)
        yield "data: two\n\n"

    return StreamingHttpResponse(async_lines() if is_async(request) else lines(), content_type="text/event-stream")


def file(request):
    return FileResponse(open(request.GET["path"], "rb"), content_type="application/octet-stream")


urlpatterns = [path("", welcome), path("upload", upload), path("events", events), path("file", file)]
wsgi = WSGIHandler()
asgi = ASGIHandler()
