"""A Flask page with a Jinja template and 20 queries. As in Flask's tutorial, each request
has its own connection to the database."""

import pathlib
import sqlite3

import shop
from flask import Flask, g, render_template

FILE = pathlib.Path(__file__).with_name(shop.FILE)

app = Flask(__name__)
page = app.jinja_env.from_string("""<!doctype html>
<title>Products</title>
<table>
{% for product in products %}
<tr><td>{{ product.id }}</td><td>{{ product.name }}</td><td>{{ product.maker|upper }}</td>
<td>{{ "%.2f"|format(product.price) }}</td>
<td>{% if product.stock %}{{ product.stock }}{% else %}sold out{% endif %}</td></tr>
{% endfor %}
</table>
""")


def database():
    if "database" not in g:
        g.database = sqlite3.connect(FILE)
        g.database.row_factory = sqlite3.Row
    return g.database


@app.teardown_appcontext
def close(_):
    if "database" in g:
        g.database.close()


@app.get("/")
def products():
    query = "SELECT id, name, maker, price, stock FROM product WHERE id = ?"
    rows = [database().execute(query, (number,)).fetchone() for number in shop.next_page()]
    return render_template(page, products=rows)
