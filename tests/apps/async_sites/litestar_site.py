"""Litestar: handlers, a WebSocket, a stream."""

from dataclasses import dataclass

from litestar import Litestar, WebSocket, get, post, websocket
from litestar.response import Stream


@dataclass
class Item:
    name: str
    price: float


@get("/")
async def welcome() -> dict[str, str]:
    return {"message": "Welcome"}


@post("/items")
async def add(data: Item) -> Item:
    return data


@get("/lines")
async def lines() -> Stream:
    async def parts():
        for number in range(3):
            yield f"{number}\n"

    return Stream(parts())


@websocket("/echo")
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_json({"echo": await socket.receive_json()})
    await socket.close()


app = Litestar([welcome, add, lines, echo])
