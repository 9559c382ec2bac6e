"""CPU time and requests per second over HTTP/2, compared, with h2load as the client.

All servers of a page are started, and take turns under load: one run each, then the
next round, so that changes of the machine's speed affect all. A server runs on one core
and h2load on the other. A run has a fixed number of requests. The CPU time is user and
system time of all threads of the server's processes. The results are the medians of the
rounds. The ratio is this server's CPU time to the other's, in the same round: below 1,
this server needs less.
"""

import argparse
import dataclasses
import json
import pathlib
import re
import statistics
import subprocess
import sys
import time

import peers
import report
import tree
from server import Server, free_port, on_the_load_core


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
    results = {}
    end = time.monotonic() + options.budget
    for kind in dict.fromkeys((page.module, page.tls) for page in options.pages.values()):
        alike = {name: page for name, page in options.pages.items() if (page.module, page.tls) == kind}
        results.update(measure(alike, options, end))
    if not results:
        raise SystemExit("bench: nothing was measured")
    options.results.write_text(json.dumps(results, indent=1))
    if options.docs:
        report.replace("http2", [table(key, result, options) for key, result in results.items()])


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("server", "venv", "peers", "results", "files"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--pages", type=lambda text: text.split(","), default=None)
    parser.add_argument("--servers", help="only those whose name contains one of these words", default="")
    parser.add_argument(
        "--loads", type=lambda text: [tuple(map(int, pair.split("x"))) for pair in text.split(",")],
        default=[(1, 32), (8, 32), (4, 16)], help="connections and streams of each, as in 1x32,8x32,4x16",
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="how long one run is to take")
    parser.add_argument("--budget", type=float, default=1500.0, help="seconds after which no run is begun")
    parser.add_argument("--quick", action="store_true", help="8 connections of 32 streams, one short round")
    parser.add_argument("--docs", action="store_true", help="write the tables into docs/reference/")
    options = parser.parse_args()
    if options.quick:
        options.loads, options.rounds, options.seconds = [(8, 32)], 1, 0.3
    known = pages(options.files.resolve())
    for name in options.pages or []:
        if name not in known:
            raise SystemExit(f"bench: there is no page '{name}'; there are {', '.join(known)}")
    options.pages = {name: page for name, page in known.items() if name in (options.pages or known)}
    return options


def prepare(folder):
    """Writes the static answers, the body of the echo, and a certificate."""
    sys.path.insert(0, str(peers.APPS))
    import plain

    folder.joinpath("index.html").write_bytes(b"Hello, world!\n")
    folder.joinpath("large").write_bytes(plain.LARGE)
    folder.joinpath("body").write_bytes(b"x" * 1024)
    if not (folder / "key.pem").exists():
        subprocess.run([
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
            "3650", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem",
            "-out", folder / "certificate.pem",
        ], check=True, stderr=subprocess.DEVNULL)


def measure(alike, options, end):
    """The results for all pages of one app, as {scenario: {server: values}}."""
    running = start(next(iter(alike.values())), options)
    results = {}
    try:
        for name, page in alike.items():
            for connections, streams in options.loads:
                if time.monotonic() > end:
                    print("bench: out of time", file=sys.stderr)
                    return results
                key = f"{name}/{connections}/{streams}"
                results[key] = scenario(page, connections, streams, running, options)
                show(key, results[key], options)
    finally:
        for server in running:
            server.stop()
    return results


def start(page, options):
    words = [word for word in options.servers.split(",") if word]
    programs = (str(options.server.resolve()), str(options.venv.resolve()), str(options.peers.resolve() / "bin"))
    tls = page.tls and [str(options.files.resolve() / file) for file in ("certificate.pem", "key.pem")]
    running = []
    for number in range(len(peers.http2(*programs, page, 0, tls))):
        port = free_port()
        contender = peers.http2(*programs, page, port, tls)[number]
        if words and not any(word in contender.name for word in words):
            continue
        server = Server(contender, port, answers=lambda: answers(page, port))
        if server.wait():
            running.append(server)
        else:
            print(f"bench: {contender.name} does not serve {page.title}: {server.why()}", file=sys.stderr)
            server.stop()
    return running


def answers(page, port):
    try:
        return load(dataclasses.replace(page, path="/", body=0), port, 1, 1, 1)["errors"] == 0
    except RuntimeError:
        return False


def scenario(page, connections, streams, running, options):
    """The medians of the rounds, each with one run per server."""
    # nghttpd would write what it is to echo into a file.
    running = [server for server in running if not (page.body and server.contender.name.startswith("nghttpd"))]
    runs, counts = {server: [] for server in running}, {}
    for server in running:
        first = run(server, page, connections, streams, connections * streams * 4)
        counts[server] = first and max(connections * streams * 4, int(first["rate"] * options.seconds))
    for _ in range(options.rounds):
        # A server that fails in a round has no part in it, and no ratio.
        for server in running:
            runs[server].append(counts[server] and run(server, page, connections, streams, counts[server]))
    ours = runs[running[0]]
    return {
        server.contender.name: {
            **{measure: statistics.median(run[measure] for run in good) for measure in ("cpu", "rate", "mean", "errors")},
            "ratio": statistics.median(ratios) if (ratios := in_pairs(ours, its)) else None,
        }
        for server, its in runs.items() if (good := [run for run in its if run])
    }


def in_pairs(ours, its):
    """Our CPU time to its CPU time, for each round that both have finished."""
    return [our["cpu"] / other["cpu"] for our, other in zip(ours, its) if our and other]


def run(server, page, connections, streams, count):
    """One run; None if it failed."""
    pids = server.processes()
    before = tree.cpu(pids)
    try:
        result = load(page, server.port, connections, streams, count)
    except RuntimeError as error:
        print(f"bench: {server.contender.name}, {page.title}: {error}", file=sys.stderr)
        return None
    return {"cpu": (tree.cpu(pids) - before) / count, **result}


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


def heading(key, options):
    name, connections, streams = key.split("/")
    return f"{options.pages[name].title}, {connections} connection{'' if connections == '1' else 's'} of {streams} streams"


def show(key, result, options):
    print(f"\n{heading(key, options)}")
    first = next(iter(result), "")
    print(f"{'':20}{'CPU us/request':>16}{'requests/s':>12}{'mean ms':>9}{first + ' to it':>22}")
    for name, v in result.items():
        ratio = f"{v['ratio']:.2f}" if v["ratio"] else ""
        note = f"  {v['errors']:.0f} errors" if v["errors"] else ""
        print(
            f"{name:20}{v['cpu'] * 1e6:16.1f}{v['rate']:12,.0f}{v['mean'] * 1e3:9.2f}{ratio:>22}{note}", flush=True,
        )


def table(key, result, options):
    first = next(iter(result), "")
    lines = [
        f"#### {heading(key, options)}\n",
        f"| server | CPU µs/request | {first} to it | requests/s | mean ms |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, v in result.items():
        ratio = f"{v['ratio']:.2f}" if v["ratio"] else ""
        note = f" ({v['errors']:.0f} errors)" if v["errors"] else ""
        lines.append(f"| {name}{note} | {v['cpu'] * 1e6:.1f} | {ratio} | {v['rate']:,.0f} | {v['mean'] * 1e3:.2f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
