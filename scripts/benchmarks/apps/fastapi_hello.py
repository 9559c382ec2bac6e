"""FastAPI with a model that goes in and out."""

from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Item(BaseModel):
    name: str
    price: float = 1.5
    tags: list[str] = ["a", "b"]


@app.get("/")
async def hello(name: str = "world") -> Item:
    return Item(name=name)
