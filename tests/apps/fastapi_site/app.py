"""A small FastAPI site: models, dependencies, background tasks, uploads, a
chat over WebSockets."""

import sys
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import (
    BackgroundTasks,
    Depends,
    FastAPI,
    Header,
    HTTPException,
    Request,
    UploadFile,
    WebSocket,
    WebSocketDisconnect,
)
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field


@asynccontextmanager
async def lifespan(app):
    yield {"items": {1: "first"}}
    print("fastapi has ended", file=sys.stderr, flush=True)


app = FastAPI(title="A small shop", lifespan=lifespan)
room = set()


class Item(BaseModel):
    name: str = Field(min_length=2)
    price: float = Field(gt=0)


def user(authorization: Annotated[str | None, Header()] = None):
    if authorization != "Bearer ada":
        raise HTTPException(401, "who are you?")
    return "ada"


@app.get("/")
async def welcome():
    return {"message": "Welcome"}


@app.get("/thread")
def in_a_thread():
    import threading

    return {"main": threading.current_thread() is threading.main_thread()}


@app.get("/items/{number}")
async def item(number: int, request: Request):
    try:
        return {"name": request.state.items[number]}
    except KeyError:
        raise HTTPException(404, "no such item") from None


@app.post("/items", status_code=201)
async def add(item: Item, who: Annotated[str, Depends(user)], tasks: BackgroundTasks):
    tasks.add_task(note, f"{who} adds {item.name} for {item.price}")
    return item


def note(text):
    print(f"note: {text}", file=sys.stderr, flush=True)


@app.post("/upload")
async def upload(file: UploadFile):
    content = await file.read()
    return {"name": file.filename, "size": len(content)}


@app.get("/numbers")
async def numbers():
    async def lines():
        for number in range(10**9):
            yield f"{number}\n" * 1000

    return StreamingResponse(lines())


@app.websocket("/chat/{name}")
async def chat(socket: WebSocket, name: str):
    await socket.accept()
    room.add(socket)
    try:
        while True:
            text = await socket.receive_text()
            for other in room:
                await other.send_json({"from": name, "text": text})
    except WebSocketDisconnect as error:
        room.discard(socket)
        note(f"{name} leaves with {error.code}")
