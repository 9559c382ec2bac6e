"""The products of the template pages, in SQLite: the same for every server, and each
request asks for the next twenty of them, one query each."""

import itertools
import pathlib
import sqlite3

FILE = "shop.db"
PRODUCTS, ON_A_PAGE = 1000, 20

_pages = itertools.cycle(range(1, PRODUCTS, ON_A_PAGE))


def make(folder):
    """Writes the database into this folder."""
    with sqlite3.connect(pathlib.Path(folder, FILE)) as database:
        database.execute(
            "CREATE TABLE product (id INTEGER PRIMARY KEY, name TEXT, maker TEXT, price REAL, stock INTEGER)"
        )
        database.executemany("INSERT INTO product VALUES (?, ?, ?, ?, ?)", (
            (n, f"Product <{n}>", f"Maker & sons {n % 17}", n * 1.25, n % 4) for n in range(1, PRODUCTS + 1)
        ))
    database.close()


def next_page():
    """The numbers of the products on the next page."""
    first = next(_pages)
    return range(first, first + ON_A_PAGE)
