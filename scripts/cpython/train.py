"""What the compiler watches CPython do before it optimises it (PGO).

Ten seconds of what a web site's process does: it imports its modules and makes its
classes; then text, pages, dictionaries, JSON, regular expressions, generators,
exceptions, coroutines, dates, hashes, a database. It is not what
scripts/cpython/bench.py measures.
"""

import itertools
import time

# The time is the same in each build, too. Some modules ask for it when they are imported.
time.time_ns = itertools.count(1_700_000_000_000_000_000, 1_000_000).__next__
time.monotonic = itertools.count(1, 0.001).__next__

import asyncio
import base64
import collections
import contextlib
import dataclasses
import datetime
import decimal
import email.message
import email.parser
import enum
import functools
import hashlib
import hmac
import html
import importlib
import inspect
import io
import json
import logging
import operator
import pickle
import random
import re
import sqlite3
import string
import struct
import sys
import textwrap
import typing
import urllib.parse
import uuid
from http.cookies import SimpleCookie
from xml.etree import ElementTree

DICE = random.Random(1)
WORDS = ["".join(DICE.choices(string.ascii_letters + "äöü<&>", k=DICE.randint(2, 12))) for _ in range(500)]


@dataclasses.dataclass
class Item:
    name: str
    price: float
    tags: list = dataclasses.field(default_factory=list)

    @property
    def label(self):
        return f"{self.name:>12} {self.price:.2f}"

    def __lt__(self, other):
        return (self.price, self.name) < (other.price, other.name)


ITEMS = [Item(word, len(word) * 1.1, WORDS[:3]) for word in WORDS[:120]]


def text():
    lines = "\r\n".join(f"{word}: {word.title()}; q={i}" for i, word in enumerate(WORDS[:80]))
    out = io.StringIO()
    for line in lines.splitlines():
        name, _, value = line.partition(": ")
        out.write(html.escape(name.upper().replace("-", "_")) + "=%s\n" % value.split(";")[0].strip())
    data = out.getvalue().encode("utf-8", "surrogateescape")
    return data.decode("latin-1").startswith("x"), textwrap.shorten(lines, 200)


def pages():
    rows = []
    for item in ITEMS[:40]:
        cells = [html.escape(item.name), str(item.price), ", ".join(html.escape(tag) for tag in item.tags)]
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return "\n".join(rows)


def regular_expressions():
    route = re.compile(r"^/(?P<kind>[a-z]+)/(?P<id>\d+)(?:/(?P<rest>.*))?$")
    tag = re.compile(r"{{\s*(\w+)(?:\|(\w+))?\s*}}|{%\s*(\w+)[^%]*%}")
    for i in range(60):
        match = route.match(f"/shop/{i}/a/b")
        match.groupdict()
    return tag.sub(lambda found: str(found.groups()), "<p>{{ a|b }} {% if x %} text {{ c }}</p>" * 20)


def containers():
    counts = collections.Counter(word[0] for word in WORDS)
    groups = collections.defaultdict(list)
    for word in WORDS:
        groups[len(word)].append(word)
    sizes = {}
    for word in WORDS:
        sizes[len(word)] = sizes.get(len(word), 0) + 1
    chained = collections.ChainMap({"a": 1}, dict(zip(WORDS, itertools.count())))
    total = sum(chained[word] for word in WORDS[:100])
    unique = {word.lower() for word in WORDS} - set(WORDS[:50])
    recent = collections.deque(sorted(unique, key=len, reverse=True), maxlen=20)
    by_size = sorted(sizes.items(), key=operator.itemgetter(1))
    with_an_a = {**chained, "b": [word for word in WORDS if "a" in word]}
    return counts.most_common(3), by_size, total, [*recent], with_an_a


def documents():
    document = {"items": [dataclasses.asdict(item) for item in ITEMS[:40]], "n": None, "t": True}
    written = json.dumps(document, indent=1, sort_keys=True)
    read = json.loads(json.dumps(json.loads(written), ensure_ascii=False))
    return pickle.loads(pickle.dumps(read)), ElementTree.fromstring("<a><b c='d'>e</b></a>").find("b")


class Base:
    registry = {}

    def __init_subclass__(cls, **options):
        Base.registry[cls.__name__] = cls

    def __getattr__(self, name):
        if name.startswith("get_"):
            return functools.partial(getattr, self, name[4:])
        raise AttributeError(name)


class View(Base):
    methods = ("get", "post")

    def __init__(self, **options):
        self.__dict__.update(options)

    def __call__(self, *args, method="get", **options):
        handler = getattr(self, method, None)
        if handler is None:
            raise LookupError(method)
        return handler(*args, **options)

    def get(self, *args, **options):
        return len(args) + len(options)


def decorated(function):
    @functools.wraps(function)
    def wrapper(*args, **options):
        with contextlib.suppress(KeyError):
            return function(*args, **options)

    return wrapper


@decorated
def objects():
    view = View(title="x", a=1)
    total = 0
    for i in range(150):
        total += view(i, i, key=i)
        total += view.get_a()
        try:
            view(method="delete")
        except LookupError as error:
            total += len(error.args)
    return sorted(ITEMS)[0].label, isinstance(view, Base), total


def generators():
    def numbers(n):
        for i in range(n):
            yield i, i * i

    def flat(nested):
        for part in nested:
            if isinstance(part, (list, tuple)):
                yield from flat(part)
            else:
                yield part

    pairs = list(flat([list(numbers(40)), [[1, [2, (3, 4)]]] * 10]))
    return list(map(str, filter(None, pairs))), max(b for a, b in numbers(100) if a % 3)


def coroutines():
    async def step(i):
        await asyncio.sleep(0)
        return i

    async def main():
        async with asyncio.timeout(5):
            return sum(await asyncio.gather(*(step(i) for i in range(30))))

    return asyncio.run(main())


def web():
    query = urllib.parse.urlencode({word: i for i, word in enumerate(WORDS[:20])})
    parsed = urllib.parse.parse_qs(query)
    cookie = SimpleCookie("session=abc; theme=dark")
    cookie["session"]["httponly"] = True
    message = email.parser.Parser().parsestr("Host: a\nAccept: text/html\n\nbody")
    token = hmac.new(b"key", query.encode(), hashlib.sha256).hexdigest()
    return parsed, cookie.output(), message["host"], token, base64.urlsafe_b64encode(query.encode())


def numbers():
    moment = datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.timezone.utc)
    days = [(moment + datetime.timedelta(days=i)).isoformat() for i in range(30)]
    money = sum(decimal.Decimal(i) / 7 for i in range(30)).quantize(decimal.Decimal("0.01"))
    packed = struct.pack("<IhQ", 1, 2, 3)
    floats = [round(i / 3.7, 3) ** 0.5 for i in range(200)]
    return days, money, struct.unpack("<IhQ", packed), sum(floats), uuid.uuid5(uuid.NAMESPACE_DNS, "a")


@functools.cache
def database():
    made = sqlite3.connect(":memory:", check_same_thread=False)
    made.execute("create table item (name text, price real)")
    made.executemany("insert into item values (?, ?)", [(i.name, i.price) for i in ITEMS])
    return made


def queries():
    found = database().execute("select name, price from item where price > ? order by name", (3,))
    return [{"name": name, "price": price} for name, price in found]


def logs():
    log = logging.getLogger("profile")
    log.propagate = False
    log.setLevel(logging.INFO)
    if not log.handlers:
        log.addHandler(logging.StreamHandler(io.StringIO()))
    for i in range(20):
        log.info("request %s took %.3f", i, i / 7)
        log.debug("unseen %s", i)


def imports():
    for name in IMPORTED:
        sys.modules.pop(name, None)
    for name in IMPORTED:
        importlib.import_module(name)


# Modules of all kinds that nothing else here uses.
IMPORTED = """
argparse calendar configparser csv difflib dis fractions gettext http.client http.server
mimetypes optparse pprint shutil smtplib socketserver statistics tarfile tempfile tokenize
unittest.mock urllib.request wsgiref.handlers xml.dom.minidom zipfile
""".split()


def definitions():
    """What modules do while they are imported."""
    Point = collections.namedtuple("Point", "x y z")
    Colour = enum.Enum("Colour", "red green blue")

    class Mode(enum.IntFlag):
        READ = 1
        WRITE = 2

    @dataclasses.dataclass(frozen=True, order=True)
    class Record:
        name: str
        tags: list[str] = dataclasses.field(default_factory=list)
        parent: "typing.Optional[Record]" = None

    class Box(typing.Generic[T]):
        item: T

    class Reader(typing.Protocol):
        def read(self, size: int = -1) -> bytes: ...

    re.purge()
    for pattern in PATTERNS:
        re.compile(pattern, re.VERBOSE)
    signature = inspect.signature(Record)
    code = compile(inspect.cleandoc(SOURCE), "<source>", "exec")
    exec(code, {})
    hints = typing.get_type_hints(Reader.read)
    return Point(1, 2, 3), Colour.red, Mode.READ | Mode.WRITE, Box[int], hints, signature


T = typing.TypeVar("T")
PATTERNS = [
    r"(?P<year>\d{4})-(?P<month>\d\d?)-(?P<day>\d\d?) (?: [T\s] (?P<time>[\d:.]+) )?",
    r"^ (?: [a-z0-9!\#$%&'*+/=?^_`{|}~-]+ (?: \. [a-z0-9-]+ )* ) @ [\w.-]+ $",
    r"\{\{ \s* (?P<name> \w+ (?: \.\w+ )* ) (?: \s* \| \s* (?P<filter>\w+) )* \s* \}\} | \{% .*? %\}",
]
SOURCE = """
    class Shop:
        def __init__(self, items=()):
            self.items = {name: price for name, price in items}

        def total(self, *, tax=0.2):
            try:
                return sum(self.items.values()) * (1 + tax)
            except TypeError as error:
                raise ValueError(f"no price: {error}") from error

    total = Shop([("a", 1), ("b", 2)]).total()
"""


# How often each is done: for about half a second where everything is counted. It is a number
# of times and not a time, because the same source must become the same file.
for work, times in (
    (imports, 10), (definitions, 140), (text, 600), (pages, 2500), (regular_expressions, 3000), (containers, 500),
    (documents, 370), (objects, 500), (generators, 4500), (coroutines, 750), (web, 2000),
    (numbers, 2200), (queries, 4000), (logs, 1900),
):
    for _ in range(times):
        work()
