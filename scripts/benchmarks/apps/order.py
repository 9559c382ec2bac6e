"""What the JSON pages check with pydantic: an order, and the receipt that they answer."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, Field


class Address(BaseModel):
    name: Annotated[str, Field(min_length=1, max_length=100)]
    street: Annotated[str, Field(max_length=100)]
    postcode: Annotated[str, Field(pattern=r"^\d{5}$")]
    country: Literal["AT", "CH", "DE"]


class Line(BaseModel):
    sku: Annotated[str, Field(pattern=r"^[A-Z]{2}-\d+$")]
    name: Annotated[str, Field(max_length=100)]
    quantity: Annotated[int, Field(gt=0, le=100)]
    price: Annotated[Decimal, Field(ge=0, decimal_places=2)]
    tags: list[str] = []


class Order(BaseModel):
    number: int
    placed: datetime
    address: Address
    lines: Annotated[list[Line], Field(min_length=1, max_length=100)]


class Receipt(BaseModel):
    number: int
    pieces: int
    total: Decimal


def receipt(order: Order) -> Receipt:
    return Receipt(
        number=order.number,
        pieces=sum(line.quantity for line in order.lines),
        total=sum(line.price * line.quantity for line in order.lines),
    )
