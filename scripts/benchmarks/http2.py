"""CPU time and requests per second over HTTP/2, with h2load as the client. turns.py says
how the servers are compared."""

import dataclasses
import pathlib
import re
import subprocess

import peers
import turns
from server import on_the_load_core

import plain  # of the apps, whose folder `server` makes known


@dataclasses.dataclass(frozen=True)
class Page:
    """A page that is requested."""

    title: str
    protocol: str
    module: str
    static: pathlib.Path
    path: str = "/"
    body: int = 0  # bytes that are sent
    tls: bool = False


def pages(static):
    """All pages, by their names. `static` is the folder with their answers as files."""
    wsgi, asgi = ("wsgi", "plain", static), ("asgi", "plain_asgi", static)
    return {
        "hello": Page("hello world", *wsgi),
        "large": Page("100 KB answer", *wsgi, path="/large"),
        "echo": Page("1 KB echo", *wsgi, path="/echo", body=1024),
        "asgi-hello": Page("ASGI hello world", *asgi),
        "asgi-large": Page("ASGI 100 KB answer", *asgi, path="/large"),
        "asgi-echo": Page("ASGI 1 KB echo", *asgi, path="/echo", body=1024),
        "tls-hello": Page("hello world over TLS", *wsgi, tls=True),
        "asgi-tls-hello": Page("ASGI hello world over TLS", *asgi, tls=True),
    }


def main():
    options = parse_options()
    options.files.mkdir(parents=True, exist_ok=True)
    prepare(options.files)
    turns.measure(groups(options), options)


def parse_options():
    parser = turns.options(__doc__.splitlines()[0])
    parser.add_argument("--files", type=pathlib.Path, required=True, help="a folder for the answers as files")
    parser.add_argument(
        "--loads", type=lambda text: [tuple(map(int, pair.split("x"))) for pair in text.split(",")],
        default=[(1, 32), (8, 32)], help="connections and streams of each, as in 1x32,8x32",
    )
    options = parser.parse_args()
    if options.quick:
        options.loads, options.rounds, options.seconds = [(8, 32)], 1, 0.3
    options.pages = turns.named(pages(options.files.resolve()), options.pages)
    return options


def prepare(folder):
    """Writes the static answers, the body of the echo, and a certificate."""
    folder.joinpath("index.html").write_bytes(b"Hello, world!\n")
    folder.joinpath("large").write_bytes(plain.LARGE)
    folder.joinpath("body").write_bytes(b"x" * 1024)
    if not (folder / "key.pem").exists():
        subprocess.run([
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
            "3650", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem",
            "-out", folder / "certificate.pem",
        ], check=True, stderr=subprocess.DEVNULL)


def groups(options):
    """One group for each app, in clear text and over TLS."""
    programs = peers.Programs.of(options)
    for module, tls in dict.fromkeys((page.module, page.tls) for page in options.pages.values()):
        alike = {name: page for name, page in options.pages.items() if (page.module, page.tls) == (module, tls)}
        page = next(iter(alike.values()))
        files = [str(options.files.resolve() / file) for file in ("certificate.pem", "key.pem")]
        yield turns.Group(
            peers.http2(programs, page, files if tls else None),
            [scenario(name, page, *load, options) for name, page in alike.items() for load in options.loads],
            lambda port, page=page: answers(page, port),
        )


def answers(page, port):
    try:
        return load(dataclasses.replace(page, path="/", body=0), port, 1, 1, 1)["errors"] == 0
    except RuntimeError:
        return False


def scenario(name, page, connections, streams, options):
    title = f"{page.title}, {connections} connection{'' if connections == 1 else 's'} of {streams} streams"
    return turns.Scenario(
        f"{name}/{connections}/{streams}", title, name,
        lambda server, count: load(page, server.port, connections, streams, count), connections * streams * 4,
        # nghttpd would write what it is to echo into a file.
        without=("floor",) if page.body else (),
    )


def load(page, port, connections, streams, count):
    """What h2load says of so many requests: requests per second, the mean time of a
    request in seconds, and how many failed."""
    command = ["h2load", "-n", count, "-c", connections, "-m", streams]
    command += ["-d", page.static / "body"] if page.body else []
    text = on_the_load_core([*command, f"http{'s' if page.tls else ''}://127.0.0.1:{port}{page.path}"])
    rate = re.search(r"finished in .*?, ([\d.]+) req/s", text)
    good = re.search(r"status codes: (\d+) 2xx", text)
    mean = re.search(r"time for request:\s+\S+\s+\S+\s+([\d.]+)(us|ms|s)", text)
    if not (rate and good and mean) or "Application protocol: h2" not in text:
        raise RuntimeError(f"h2load got no answers:\n{text}")
    unit = {"us": 1e-6, "ms": 1e-3, "s": 1}[mean[2]]
    return {"rate": float(rate[1]), "mean": float(mean[1]) * unit, "errors": count - int(good[1])}


if __name__ == "__main__":
    main()
