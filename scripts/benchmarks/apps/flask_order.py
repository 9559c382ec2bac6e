"""A JSON API with Flask and pydantic: an order comes in, a receipt goes out."""

from flask import Flask, Response, request
from order import Order, receipt
from pydantic import ValidationError

app = Flask(__name__)


@app.get("/")
def ready():
    return "ready\n"


@app.post("/order")
def order():
    try:
        checked = Order.model_validate_json(request.get_data())
    except ValidationError as error:
        return Response(error.json(), status=422, mimetype="application/json")
    return Response(receipt(checked).model_dump_json(), mimetype="application/json")
