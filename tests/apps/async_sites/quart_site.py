"""Quart: views, a form, a WebSocket, a stream."""

from quart import Quart, request, websocket

app = Quart(__name__)


@app.get("/")
async def welcome():
    return {"message": "Welcome"}


@app.post("/form")
async def form():
    return f"Good day, {(await request.form)['name']}!"


@app.get("/lines")
async def lines():
    async def parts():
        for number in range(3):
            yield f"{number}\n"

    return parts()


@app.websocket("/echo")
async def echo():
    while True:
        await websocket.send(f"echo {await websocket.receive()}")
