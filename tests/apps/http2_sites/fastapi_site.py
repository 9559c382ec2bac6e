"""Uploads, server-sent events and downloads with FastAPI."""

import asyncio
import hashlib
import os

from fastapi import FastAPI, Request, UploadFile
from fastapi.responses import FileResponse, PlainTextResponse, StreamingResponse

app = FastAPI(default_response_class=PlainTextResponse)


@app.get("/")
async def welcome(request: Request):
    return f"Welcome over HTTP/{request.scope['http_version']}"


@app.post("/upload")
async def upload(file: UploadFile):
    sha = hashlib.sha256()
    while block := await file.read(1 << 20):
        sha.update(block)
    return f"{file.size} {sha.hexdigest()}"


@app.get("/events")
async def events(go: str):
    """The second event comes when the file in the query exists."""

    async def lines():
        yield "data: one\n\n"
        while not os.path.exists(go):
            await asyncio.sleep(0.01)
        yield "data: two\n\n"

    return StreamingResponse(lines(), media_type="text/event-stream")


@app.get("/file")
async def file(path: str):
    return FileResponse(path, media_type="application/octet-stream")
