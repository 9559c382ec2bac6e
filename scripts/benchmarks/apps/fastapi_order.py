"""A JSON API with FastAPI and pydantic: an order comes in, a receipt goes out."""

from fastapi import FastAPI
from order import Order, Receipt, receipt

app = FastAPI()


@app.get("/")
async def ready() -> str:
    return "ready"


@app.post("/order")
async def order(order: Order) -> Receipt:
    return receipt(order)
