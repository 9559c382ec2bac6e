"""Uses each wheel. Prints a line for each that works; for the others it prints the
traceback, and the exit code is 1."""

import asyncio
import io
import json
import os
import sys
import traceback

# Each function uses the native part, which must not have been replaced by the pure
# Python that some wheels fall back to.


def wheel_markupsafe():
    import markupsafe._speedups

    assert markupsafe.escape("<a & b>") == "&lt;a &amp; b&gt;"


def wheel_jinja2():
    import jinja2

    assert jinja2.Template("{% for x in xs %}{{ x|e }}{% endfor %}").render(xs="<>") == "&lt;&gt;"


def wheel_greenlet():
    import greenlet

    main = greenlet.getcurrent()
    other = greenlet.greenlet(lambda: main.switch("from the other"))
    assert other.switch() == "from the other"


def wheel_gevent():
    import gevent
    from gevent.server import StreamServer
    from gevent.socket import create_connection

    def echo(socket, address):
        socket.sendall(socket.recv(100).upper())

    with StreamServer(("127.0.0.1", 0), echo) as server:
        server.start()
        connection = create_connection(("127.0.0.1", server.server_port))
        connection.sendall(b"hello")
        assert connection.recv(100) == b"HELLO"
        connection.close()
    assert [job.value for job in gevent.joinall([gevent.spawn(pow, 2, n) for n in range(4)])] == [1, 2, 4, 8]


def wheel_orjson():
    import orjson

    value = {"a": [1, 2.5, None, True], "ü": "🙂"}
    assert orjson.loads(orjson.dumps(value)) == value


def wheel_pydantic():
    import pydantic
    import pydantic_core

    class Point(pydantic.BaseModel):
        x: int
        y: float = 0

    assert Point.model_validate_json('{"x": "3"}').model_dump() == {"x": 3, "y": 0.0}
    try:
        Point(x="no")
    except pydantic_core.ValidationError as error:
        assert error.error_count() == 1
    else:
        raise AssertionError("no is no number")


def wheel_fastapi():
    import fastapi
    import pydantic

    class Item(pydantic.BaseModel):
        name: str
        price: float

    app = fastapi.FastAPI(title="Shop")

    @app.post("/items")
    def add(item: Item) -> Item:
        return item

    page = json.loads(asyncio.run(get(app, "/openapi.json")))
    assert page["info"]["title"] == "Shop"
    assert page["components"]["schemas"]["Item"]["required"] == ["name", "price"]


async def get(app, path):
    """The body of an ASGI app's response."""
    body = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        if message["type"] == "http.response.start":
            assert message["status"] == 200, message
        else:
            body.append(message["body"])

    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
             "path": path, "raw_path": path.encode(), "root_path": "", "query_string": b"", "headers": []}
    await app(scope, receive, send)
    return b"".join(body)


def wheel_numpy():
    import numpy

    a = numpy.arange(10_000.0).reshape(100, 100)
    assert numpy.allclose(a @ numpy.eye(100), a)
    assert numpy.allclose(numpy.linalg.solve(numpy.array([[2.0, 0], [0, 4]]), [2, 4]), [1, 1])
    assert abs(numpy.fft.ifft(numpy.fft.fft([1, 2, 3])) - [1, 2, 3]).max() < 1e-9
    assert 0 <= numpy.random.default_rng().random() < 1


def wheel_pandas():
    import pandas

    frame = pandas.read_csv(io.StringIO("who,n\na,1\nb,2\na,3\n"))
    assert frame.groupby("who").n.sum().to_dict() == {"a": 4, "b": 2}
    assert str(pandas.Timestamp("2024-07-01 12:00", tz="Europe/Berlin").tz_convert("UTC")) == "2024-07-01 10:00:00+00:00"


def wheel_psycopg():
    import psycopg
    from psycopg import sql

    assert psycopg.pq.__impl__ == "binary" and psycopg.pq.version() > 100000
    quoted = sql.SQL("select {}").format(sql.Literal("it's")).as_string(None)
    assert quoted == "select 'it''s'", quoted
    try:
        psycopg.connect("host=127.0.0.1 port=1 user=me connect_timeout=2")
    except psycopg.OperationalError as error:
        assert "refused" in str(error), error
    else:
        raise AssertionError("somebody listens on port 1")


def wheel_asyncmy():
    import asyncmy
    import asyncmy.connection

    assert asyncmy.connection.__file__.endswith(".so")

    async def connect():
        try:
            await asyncmy.connect(host="127.0.0.1", port=1)
        except asyncmy.errors.OperationalError as error:
            assert "127.0.0.1" in str(error), error
        else:
            raise AssertionError("somebody listens on port 1")

    asyncio.run(connect())


def wheel_cryptography():
    from cryptography import x509
    from cryptography.fernet import Fernet
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    box = Fernet(Fernet.generate_key())
    assert box.decrypt(box.encrypt(b"secret")) == b"secret"
    key = ec.generate_private_key(ec.SECP256R1())
    key.public_key().verify(key.sign(b"text", ec.ECDSA(hashes.SHA256())), b"text", ec.ECDSA(hashes.SHA256()))
    assert x509.Name.from_rfc4514_string("CN=me").rfc4514_string() == "CN=me"


def wheel_bcrypt():
    import bcrypt

    known = bcrypt.hashpw(b"correct horse", bcrypt.gensalt(4))
    assert bcrypt.checkpw(b"correct horse", known) and not bcrypt.checkpw(b"battery", known)


def wheel_uvloop():
    import uvloop

    async def main():
        async def upper(reader, writer):
            writer.write((await reader.read(100)).upper())
            writer.close()

        server = await asyncio.start_server(upper, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello")
        assert await reader.read() == b"HELLO"
        writer.close()
        server.close()
        assert isinstance(asyncio.get_running_loop(), uvloop.Loop)

    uvloop.run(main())


def wheel_httptools():
    import httptools

    class Seen:
        def on_url(self, url):
            self.url = httptools.parse_url(url)

    seen = Seen()
    httptools.HttpRequestParser(seen).feed_data(b"GET /a/b?c=d HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (seen.url.path, seen.url.query) == (b"/a/b", b"c=d")


def wheel_lxml():
    from lxml import etree, html

    tree = etree.fromstring("<a><b n='1'/><b n='2'/></a>")
    assert tree.xpath("sum(//b/@n)") == 3.0
    assert html.fromstring("<p>one<br>two").text_content() == "onetwo"
    sheet = etree.XML(
        "<x:stylesheet version='1.0' xmlns:x='http://www.w3.org/1999/XSL/Transform'>"
        "<x:template match='/'><n><x:value-of select='count(//b)'/></n></x:template></x:stylesheet>"
    )
    assert str(etree.XSLT(sheet)(tree).getroot().text) == "2"


def wheel_pillow():
    from PIL import Image, ImageDraw, ImageFont, features

    picture = Image.new("RGB", (64, 64), "red")
    ImageDraw.Draw(picture).text((2, 2), "Hi", font=ImageFont.load_default(20))
    for kind in ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "AVIF", "JPEG2000"):
        file = io.BytesIO()
        picture.save(file, kind, **({"compression": "tiff_lzw"} if kind == "TIFF" else {}))
        assert Image.open(file).convert("RGB").size == (64, 64), kind
    assert features.check("freetype2")


def wheel_msgpack():
    import msgpack._cmsgpack

    value = {"a": [1, 2.5, None], "b": b"bytes"}
    assert msgpack.unpackb(msgpack.packb(value)) == value


def wheel_yaml():
    import yaml

    text = "a: [1, 2]\nb: {c: ü}\n"
    value = yaml.load(text, Loader=yaml.CSafeLoader)
    assert value == {"a": [1, 2], "b": {"c": "ü"}}
    assert yaml.load(yaml.dump(value, Dumper=yaml.CSafeDumper), Loader=yaml.CSafeLoader) == value


def wheel_grpc():
    from concurrent.futures import ThreadPoolExecutor

    import grpc

    def upper(request, context):
        return request.upper()

    server = grpc.server(ThreadPoolExecutor(2))
    method = grpc.unary_unary_rpc_method_handler(upper)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Test", {"Upper": method})])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        assert channel.unary_unary("/test.Test/Upper")(b"hello", timeout=20) == b"HELLO"
    server.stop(None).wait()


def wheel_sqlalchemy():
    import sqlalchemy
    from sqlalchemy.engine import _row_cy
    from sqlalchemy.util import _collections_cy

    for module in (_row_cy, _collections_cy):
        assert module._is_compiled(), module
    engine = sqlalchemy.create_engine("sqlite://")
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("create table t (n integer)"))
        connection.execute(sqlalchemy.text("insert into t values (:n)"), [{"n": 1}, {"n": 2}])
        assert connection.scalar(sqlalchemy.text("select sum(n) from t")) == 3


def wheel_cffi():
    import cffi

    ffi = cffi.FFI()
    ffi.cdef("int abs(int); typedef struct { int x, y; } point;")
    assert ffi.dlopen(None).abs(-3) == 3
    assert ffi.sizeof("point") == 8
    callback = ffi.callback("int(int)", lambda n: n + 1)
    assert callback(2) == 3


def main():
    if not os.path.exists("/dev/urandom"):
        print("skipped: grpc, which ends the process without /dev/urandom")
        del globals()["wheel_grpc"]
    wheels = {name.removeprefix("wheel_"): test for name, test in globals().items() if name.startswith("wheel_")}
    broken = []
    for name in sys.argv[1:] or wheels:
        try:
            wheels[name]()
            print("works:", name, flush=True)
        except BaseException:
            broken.append(name)
            print(f"broken: {name}", flush=True)
            traceback.print_exc()
    print("from:", sys.modules["markupsafe._speedups"].__file__)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
