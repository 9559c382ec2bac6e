"""Uses a server with requests and httpx: use.py http://host:port"""

import concurrent.futures
import hashlib
import sys

import httpx
import requests

site = sys.argv[1]
LARGE = bytes(range(256)) * 8192
LARGE_TEXT = f"POST {len(LARGE)} {hashlib.sha256(LARGE).hexdigest()}"
STREAM = b"".join(bytes([number]) * 10_000 for number in range(100))


def blocks(size=10_000):
    """The same in chunks, of unknown number."""
    for start in range(0, len(LARGE), size):
        yield LARGE[start : start + size]


def with_requests():
    with requests.Session() as session:
        for _ in range(20):
            answer = session.get(f"{site}/")
            assert (answer.status_code, answer.text) == (200, "hello")
        ports = {session.get(f"{site}/peer").text.split()[1] for _ in range(20)}
        assert len(ports) == 1, ports
        assert session.head(f"{site}/").headers["Content-Length"] == "5"
        assert session.post(f"{site}/digest", data=LARGE).text == LARGE_TEXT
        assert session.post(f"{site}/digest", data=blocks()).text == LARGE_TEXT
        answer = session.post(f"{site}/moved", data=LARGE)
        assert (answer.text, len(answer.history)) == (LARGE_TEXT, 1)
        assert session.get(f"{site}/nothing").status_code == 204
        with session.get(f"{site}/stream", stream=True) as answer:
            assert b"".join(answer.iter_content(7000)) == STREAM
        assert session.get(f"{site}/cookie").text == "none"
        assert session.get(f"{site}/cookie").text == "a=b"
        files = {"file": ("large.bin", LARGE)}
        assert int(session.post(f"{site}/digest", files=files).text.split()[1]) > len(LARGE)


def with_httpx():
    with httpx.Client(base_url=site, follow_redirects=True) as client:
        for _ in range(20):
            assert client.get("/").text == "hello"
        ports = {client.get("/peer").text.split()[1] for _ in range(20)}
        assert len(ports) == 1, ports
        assert client.post("/digest", content=LARGE).text == LARGE_TEXT
        assert client.post("/digest", content=blocks()).text == LARGE_TEXT
        answer = client.post("/moved", content=LARGE)
        assert (answer.text, len(answer.history)) == (LARGE_TEXT, 1)
        assert client.get("/nothing").status_code == 204
        with client.stream("GET", "/stream") as answer:
            assert b"".join(answer.iter_bytes(7000)) == STREAM
        # A client that closes the connection in the middle.
        with client.stream("GET", "/stream") as answer:
            next(answer.iter_bytes())
        assert client.get("/").text == "hello"
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            answers = pool.map(lambda _: client.get("/").text, range(200))
            assert set(answers) == {"hello"}


with_requests()
with_httpx()
print("all is well")
