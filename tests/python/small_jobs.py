"""A small task for each C library and each difficult module."""

import asyncio
import bz2
import ctypes
import datetime
import decimal
import hashlib
import lzma
import multiprocessing.shared_memory
import sqlite3
import struct
import sys
import tempfile
import uuid
import xml.etree.ElementTree
import zlib
import zoneinfo


def test_compression():
    data = b"the same again and again " * 1000
    for module in (bz2, lzma, zlib):
        packed = module.compress(data)
        assert len(packed) < len(data) / 10 and module.decompress(packed) == data


def test_sqlite():
    with tempfile.TemporaryDirectory() as folder, sqlite3.connect(folder + "/a.db") as base:
        base.execute("create table parent (id integer primary key)")
        base.execute("create table child (id integer references parent)")
        base.execute("insert into child values (1)")  # keys are off, as anywhere
        assert base.execute("pragma foreign_keys").fetchone() == (0,)
        base.execute("create virtual table text using fts5(body)")
        base.execute("insert into text values ('all about pears')")
        assert base.execute("select * from text where text match 'pears'").fetchone()
        assert base.execute("select json_extract('{\"a\": 2}', '$.a')").fetchone() == (2,)
        assert base.execute("select sqrt(16.0)").fetchone() == (4.0,)
        base.enable_load_extension(True)


def test_decimal():
    with decimal.localcontext(prec=40):
        assert str(decimal.Decimal(2).sqrt()) == "1.414213562373095048801688724209698078570"
    import _decimal

    assert decimal.Decimal is _decimal.Decimal


def test_ctypes():
    libc = ctypes.CDLL(None)
    assert libc.abs(-3) == 3
    compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
    numbers = (ctypes.c_int * 4)(3, 1, 4, 1)
    libc.qsort(numbers, 4, ctypes.sizeof(ctypes.c_int), compare(lambda a, b: a[0] - b[0]))
    assert list(numbers) == [1, 1, 3, 4]
    assert ctypes.pythonapi.Py_IsInitialized()


def test_hashes():
    assert hashlib.sha256(b"").hexdigest().startswith("e3b0c44298fc1c14")
    for name in ("md5", "sha1", "sha512", "sha3_256", "blake2b", "ripemd160"):
        assert hashlib.new(name, b"x").digest()
    assert hashlib.scrypt(b"a", salt=b"b", n=16, r=8, p=1)
    assert hashlib.pbkdf2_hmac("sha256", b"a", b"b", 10)


def test_uuid():
    import _uuid

    assert _uuid.generate_time_safe and uuid.uuid1().version == 1 and uuid.uuid4() != uuid.uuid4()


def test_expat():
    assert xml.etree.ElementTree.fromstring("<a b='&#228;'/>").get("b") == "ä"


def test_time_zones():
    moment = datetime.datetime(2024, 7, 1, 12, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))
    assert moment.utcoffset() == datetime.timedelta(hours=2)


def test_time_zones_of_a_host_without_any():
    zoneinfo.reset_tzpath([])
    zoneinfo.ZoneInfo.clear_cache()
    for name, hours in (("Europe/Berlin", 2), ("America/Argentina/Buenos_Aires", -3), ("UTC", 0)):
        moment = datetime.datetime(2024, 7, 1, 12, tzinfo=zoneinfo.ZoneInfo(name))
        assert moment.utcoffset() == datetime.timedelta(hours=hours), name
    assert len(zoneinfo.available_timezones()) > 400
    try:
        zoneinfo.ZoneInfo("Europe/Atlantis")
    except zoneinfo.ZoneInfoNotFoundError:
        pass
    else:
        raise AssertionError("Atlantis has no time")


def test_asyncio():
    async def answer(reader, writer):
        writer.write((await reader.readline()).upper())
        writer.close()

    async def main():
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello\n")
        assert await reader.read() == b"HELLO\n"
        writer.close()
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "print(6*7)", stdout=asyncio.subprocess.PIPE)
        assert (await child.communicate())[0] == b"42\n"

    asyncio.run(main())


def test_subinterpreters():
    import _interpreters

    other = _interpreters.create()
    code = "import json, ssl, sqlite3; assert json.loads('[1]') == [1]; assert json.__file__"
    assert _interpreters.exec(other, code) is None
    failed = _interpreters.exec(other, "1 / 0")
    assert "ZeroDivisionError" in failed.formatted
    _interpreters.destroy(other)


def test_shared_memory():
    block = multiprocessing.shared_memory.SharedMemory(create=True, size=8)
    block.buf[:8] = struct.pack("<Q", 7)
    assert struct.unpack("<Q", bytes(block.buf[:8])) == (7,)
    block.close()
    block.unlink()


for name, test in list(globals().items()):
    if name.startswith("test_"):
        test()
        print(name, "ok")
