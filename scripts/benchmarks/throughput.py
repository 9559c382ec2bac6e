"""CPU time, requests per second, latency and memory of the servers, compared.

All servers of an app are started, and take turns under load: one run each, then the
next round, so that changes of the machine's speed affect all. A server runs on one core
and the load generator on the other. A run has a fixed number of requests. The CPU time
is user and system time of all the server's processes. The results are the medians of
the rounds, and in brackets the ratio to the best of the other servers.
"""

import argparse
import dataclasses
import json
import pathlib
import statistics
import sys
import time

import peers
import report
import tree
from server import Server, free_port, load


@dataclasses.dataclass(frozen=True)
class Page:
    """A page that is requested."""

    title: str
    protocol: str
    module: str
    path: str = "/"
    body: int = 0  # bytes that are sent
    websocket: bool = False


PAGES = {
    "hello": Page("hello world", "wsgi", "plain"),
    "echo": Page("1 KB echo", "wsgi", "plain", "/echo", 1024),
    "large": Page("100 KB answer", "wsgi", "plain", "/large"),
    "stream": Page("streamed answer, ten blocks", "wsgi", "plain", "/stream"),
    "flask": Page("Flask", "wsgi", "flask_hello"),
    "django": Page("Django", "wsgi", "django_hello"),
    "asgi-hello": Page("ASGI hello world", "asgi", "plain_asgi"),
    "asgi-echo": Page("ASGI 1 KB echo", "asgi", "plain_asgi", "/echo", 1024),
    "asgi-large": Page("ASGI 100 KB answer", "asgi", "plain_asgi", "/large"),
    "asgi-stream": Page("ASGI streamed answer, ten blocks", "asgi", "plain_asgi", "/stream"),
    "websocket": Page("WebSocket echo", "asgi", "plain_asgi", websocket=True),
    "fastapi": Page("FastAPI with a pydantic model", "asgi", "fastapi_hello"),
}

# The name of the measure, the factor and the digits of the printed value, and whether
# more is better.
MEASURES = {
    "cpu": ("CPU us/request", 1e6, 1, False),
    "rate": ("requests/s", 1, 0, True),
    "p50": ("p50 ms", 1e3, 2, False),
    "p99": ("p99 ms", 1e3, 2, False),
    "memory": ("memory MB", 1e-6, 1, False),
}


def main():
    options = parse_options()
    results = {}
    end = time.monotonic() + options.budget
    for module in dict.fromkeys(PAGES[name].module for name in options.pages):
        pages = [name for name in options.pages if PAGES[name].module == module]
        results.update(measure(module, pages, options, end))
    if not results:
        raise SystemExit("bench: nothing was measured")
    if options.add and options.results.exists():
        results = {**json.loads(options.results.read_text()), **results}
    options.results.write_text(json.dumps(results, indent=1))
    if options.docs:
        report.write(options.protocol, results, {name: PAGES[name].title for name in PAGES})


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("server", "venv", "peers", "load", "bare", "results"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--pages", type=lambda text: text.split(","), default=list(PAGES))
    parser.add_argument("--protocol", choices=["wsgi", "asgi"], required=True)
    parser.add_argument("--servers", help="only those whose name contains one of these words", default="")
    parser.add_argument("--connections", type=lambda text: [int(n) for n in text.split(",")], default=[1, 32, 512])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="how long one run is to take")
    parser.add_argument("--budget", type=float, default=1500.0, help="seconds after which no run is begun")
    parser.add_argument("--quick", action="store_true", help="32 kept-alive connections, one short round")
    parser.add_argument("--add", action="store_true", help="to the results of the last run")
    parser.add_argument("--docs", action="store_true", help="write the tables and a picture into docs/reference/")
    options = parser.parse_args()
    if options.quick:
        options.connections, options.rounds, options.seconds = [32], 1, 0.5
    options.keep = [True] if options.quick else [True, False]
    unknown = [name for name in options.pages if name not in PAGES]
    if unknown:
        raise SystemExit(f"bench: there is no page '{unknown[0]}'; there are {', '.join(PAGES)}")
    options.pages = [name for name in options.pages if PAGES[name].protocol == options.protocol]
    return options


def measure(module, pages, options, end):
    """The results for all pages of one app, as {scenario: {server: {measure:
    value}}}."""
    running = start(module, PAGES[pages[0]].protocol, options)
    results = {}
    try:
        for name in pages:
            for connections in options.connections:
                for keep in [True] if PAGES[name].websocket else options.keep:
                    if time.monotonic() > end:
                        print("bench: out of time", file=sys.stderr)
                        return results
                    key = f"{name}/{connections}/{'keep' if keep else 'close'}"
                    results[key] = scenario(PAGES[name], connections, keep, running, options)
                    show(PAGES[name], connections, keep, results[key])
    finally:
        for server in running:
            server.stop()
    return results


def start(module, protocol, options):
    words = [word for word in options.servers.split(",") if word]
    running = []
    for number in range(len(contenders(module, protocol, options, 0))):
        port = free_port()
        contender = contenders(module, protocol, options, port)[number]
        if words and not any(word in contender.name for word in words):
            continue
        server = Server(contender, port)
        if server.wait():
            running.append(server)
        else:
            print(f"bench: {contender.name} does not serve {module}: {server.why()}", file=sys.stderr)
            server.stop()
    return running


def contenders(module, protocol, options, port):
    programs = (str(options.server.resolve()), str(options.venv.resolve()), str(options.peers.resolve() / "bin"))
    everyone = getattr(peers, protocol)(*programs, module, port)
    # The bare loop has only one response.
    return everyone + ([peers.bare(str(options.bare.resolve()), port)] if module == "plain" else [])


def scenario(page, connections, keep, running, options):
    """The medians of the rounds, each with one run per server."""
    taking_part = [s for s in running if s.contender.name != "bare epoll loop" or page.title == "hello world"]
    runs = {server: [] for server in taking_part}
    counts = {}
    for server in taking_part:
        first = run(server, page, connections, max(500, connections * 2), keep, options)
        counts[server] = first and max(200, connections * 2, int(first["rate"] * options.seconds))
    for _ in range(options.rounds):
        for server in taking_part:
            if counts[server] and (result := run(server, page, connections, counts[server], keep, options)):
                runs[server].append(result)
    return {
        server.contender.name: {
            **{measure: statistics.median(run[measure] for run in all_runs) for measure in [*MEASURES, "errors"]},
            "peer": server.contender.peer,
        }
        for server, all_runs in runs.items() if all_runs
    }


def run(server, page, connections, count, keep, options):
    """One run; None if it failed."""
    kind = "ws" if page.websocket else "keep" if keep else "close"
    words = [server.port, connections, count, kind, page.path]
    pids = server.processes()
    before = tree.cpu(pids)
    try:
        done, errors, seconds, p50, p99, _ = load(options.load, *words, *([page.body] if page.body else []))
    except RuntimeError as error:
        print(f"bench: {server.contender.name}, {page.title}: {error}", file=sys.stderr)
        return None
    return {
        "cpu": (tree.cpu(pids) - before) / done,
        "rate": done / seconds,
        "p50": p50 / 1e6,
        "p99": p99 / 1e6,
        "memory": server.memory(pids),
        "errors": errors,
    }


def show(page, connections, keep, result):
    plural = "" if connections == 1 else "s"
    kind = "kept alive" if keep else "closed after each request"
    print(f"\n{page.title}, {connections} connection{plural}, {kind}")
    print(f"{'':28}" + "".join(f"{title:>20}" for title, *_ in MEASURES.values()))
    for name, values in result.items():
        cells = []
        for measure, (_, factor, digits, more) in MEASURES.items():
            text = f"{values[measure] * factor:,.{digits}f}"
            best = best_peer(result, measure, more)
            cells.append(f"{text} [{values[measure] / best:.2f}]" if best else text)
        note = f"  {values['errors']:.0f} errors" if values["errors"] else ""
        print(f"{name:28}" + "".join(f"{cell:>20}" for cell in cells) + note, flush=True)


def best_peer(result, measure, more):
    values = [v[measure] for v in result.values() if v["peer"] and not v["errors"]]
    return (max if more else min)(values, default=None)


if __name__ == "__main__":
    main()
