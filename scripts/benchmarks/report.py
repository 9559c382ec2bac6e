"""Writes docs/reference/benchmarks.md, between its marks, and its pictures: all from the
results of one run."""

import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import sqlite3
import statistics
import subprocess

import http2
import picture
import throughput

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs" / "reference"
PAGE = DOCS / "benchmarks.md"
VERSIONS = pathlib.Path(__file__).with_name("peers.txt"), pathlib.Path(__file__).with_name("packages.txt")
# Packages of the environments that are no servers.
NOT_SERVERS = {"django", "fastapi", "flask", "gevent", "pydantic", "tornado", "websockets"}

RATE, P99 = ("requests/s", "rate", 1, 0), ("p99 ms", "p99", 1e3, 2)
MEAN, MEMORY = ("mean ms", "mean", 1e3, 2), ("memory MB", "memory", 1e-6, 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", type=pathlib.Path, required=True)
    parser.add_argument("--results", type=pathlib.Path, required=True, help="the folder with the results of the run")
    parser.add_argument("--quick", action="store_true", help="say that the run was a quick one")
    options = parser.parse_args()
    text = PAGE.read_text()
    results = {file.stem: json.loads(file.read_text()) for file in options.results.glob("*.json")}
    for mark, write in {
        "run": lambda _: run(options), "wsgi": servers, "asgi": servers, "http2": over_http2, "many": many,
        "start": start, "interpreter": interpreter,
    }.items():
        begin, end = f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
        body = f"{begin}\n\n{write(results.get(mark, results))}\n{end}"
        text, found = re.subn(re.escape(begin) + ".*?" + re.escape(end), lambda _: body, text, flags=re.S)
        if not found:
            raise SystemExit(f"bench: {PAGE} has no mark '{mark}'")
    PAGE.write_text(text)
    for protocol in ("wsgi", "asgi"):
        pages = {title(key): result for key, result in results[protocol].items() if not key.endswith("/close")}
        DOCS.joinpath(f"benchmarks-{protocol}.svg").write_text(picture.bars(pages))
    print(f"bench: wrote {PAGE} and its pictures")


def run(options):
    """When, on what, and with what."""
    day = datetime.date.fromtimestamp((options.results / "wsgi.json").stat().st_mtime)
    processor = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    versions = sorted({
        line for file in VERSIONS for line in file.read_text().split() if line.lower().split("==")[0] not in NOT_SERVERS
    }, key=str.lower)
    nginx = subprocess.run(["nginx", "-v"], stderr=subprocess.PIPE, text=True).stderr.rpartition("/")[2].split()[0]
    told = "import platform, sqlite3; print(platform.python_version(), sqlite3.sqlite_version)"
    ours = subprocess.run([options.server, "python", "-c", told], stdout=subprocess.PIPE, text=True, check=True).stdout
    lines = [
        f"- Measured on {day}, on a machine with {os.cpu_count()} cores "
        f"({processor[1] if processor else platform.machine()}), Linux {platform.release().split('-')[0]}.",
        "- This server runs on the Python inside, {} with SQLite {}.".format(*ours.split()),
        f"- The peers run on the Python of the host, {platform.python_version()} with SQLite {sqlite3.sqlite_version}. "
        "Only caddysnake needs a newer one: it runs on the Python inside.",
        f"- Versions: {', '.join(line.replace('==', ' ') for line in versions)}, nginx {nginx}.",
    ]
    if options.quick:
        lines.insert(0, "- **This was a quick run, of one short round: the figures are rough.**")
    return "\n".join(lines) + "\n"


def title(key):
    return throughput.PAGES[key.split("/")[0]].title


def servers(results):
    """A table for each page of the servers of WSGI or ASGI."""
    tables = []
    for name in dict.fromkeys(key.split("/")[0] for key in results):
        kinds = {
            label: results[key]
            for label, kind in {"kept alive": "keep", "closed": "close", "kept": "ws"}.items()
            if (key := f"{name}/32/{kind}") in results
        }
        tables.append(f"### {throughput.PAGES[name].title}\n\n{table(kinds, [RATE, P99, MEMORY])}")
    return "\n".join(tables)


def over_http2(results):
    pages = http2.pages(pathlib.Path())
    tables = []
    for name in dict.fromkeys(key.split("/")[0] for key in results):
        kinds = {
            f"{connections} × {streams}": results[key]
            for key in results for page, connections, streams in [key.split("/")] if page == name
        }
        tables.append(f"### HTTP/2: {pages[name].title}\n\n{table(kinds, [RATE, MEAN])}")
    return "\n".join(tables)


def table(kinds, others):
    """The ratios and the CPU times of each kind of load, and other measures of the last
    of these that has connections which are kept."""
    last = [result for label, result in kinds.items() if label != "closed"][-1]
    labels = [f", {label}" if len(kinds) > 1 else "" for label in kinds]
    heads = ["server", *(f"ratio{it}" for it in labels), *(f"CPU µs{it}" for it in labels), *(it[0] for it in others)]
    rows = []
    for name in dict.fromkeys(name for result in kinds.values() for name in result):
        found = [result.get(name) for result in kinds.values()]
        errors = sum(it["errors"] for it in found if it)
        cells = [name + (f" ({errors:.0f} errors)" if errors else "")]
        cells += [cell(it, "ratio", 1, 2) for it in found]
        cells += [cell(it, "cpu", 1e6, 1) for it in found]
        cells += [cell(last.get(name), *rest) for _, *rest in others]
        rows.append(cells)
    return markdown(heads, rows)


def cell(values, measure, factor, digits):
    value = values and values[measure]
    return "" if value is None else f"{value * factor:,.{digits}f}"


def many(results):
    """What many connections cost, for each worker class."""
    classes = list(results["idle"])[:3]
    idle, active, swarm, shares = (results[name] for name in ("idle", "active", "swarm", "fairness"))

    def growth(name, measure):
        return f"{name[1][measure] / name[0][measure]:.2f}"

    rows = [
        ["10,000 idle connections: memory of each, KiB", *(f"{idle[it]['each'] / 1024:.1f}" for it in classes)],
        ["and their CPU time, ms per second", *(f"{idle[it]['cpu'] * 1e3:.2f}" for it in classes)],
        ["5,000 active connections beside 32: CPU time per request", *(growth(active[it], "cpu") for it in classes)],
        ["10,000 slow senders beside none: CPU time per request", *(growth(swarm[it], "cpu") for it in classes)],
        ["and the 99th percentile of the others, ms, without and with", *(
            f"{swarm[it][0]['p99']:.2f}, {swarm[it][1]['p99']:.2f}" for it in classes
        )],
        ["four workers, 64 connections: share of each, 1 is fair", *(
            f"{shares[it][0]:.2f} to {shares[it][-1]:.2f}" if it in shares else "" for it in classes
        )],
    ]
    sockets = f"An idle WebSocket of a bare app, without pings, takes {idle['WebSockets']['each'] / 1024:.1f} KiB."
    return f"{markdown(['', *classes], rows)}\n{sockets}\n"


def start(results):
    sites, pythons = results["sites"], results["pythons"]
    rows = []
    for name, it in sites.items():
        base = sites["rgunicorn, hello world" if "hello" in name else "rgunicorn, Flask from a zip"]
        rows.append(times(name.strip(), it, base))
    ours = next(iter(pythons.values()))
    interpreters = [
        [*times(f"`{name} -I -c pass`", it, ours), f"{it['memory'] / 1e6:.1f}"] for name, it in pythons.items()
    ]
    heads = ["", "ratio", "CPU ms", "elapsed ms"]
    return (
        markdown(heads, rows) + "\n" + markdown([*heads, "memory MB"], interpreters)
        + f"\nThe loader and the C library inside cost {results['loader'] * 1e3:.2f} ms of each start.\n"
    )


def times(name, it, base):
    """The ratio of the CPU time to the base's in the same round, and the medians."""
    ratio = statistics.median(a / b for a, b in zip(it["cpu"], base["cpu"]))
    return [name, f"{ratio:.2f}", *(f"{statistics.median(it[kind]) * 1e3:.1f}" for kind in ("cpu", "clock"))]


def interpreter(results):
    theirs, ours = results.values()
    ratios = {name: theirs[name] / ours[name] for name in ours}
    rows = [
        [name.replace("_", " "), f"{ratio:.2f}", *(f"{it[name] * 1e6:,.0f}" for it in (ours, theirs))]
        for name, ratio in ratios.items()
    ]
    mean = statistics.geometric_mean(ratios.values())
    heads = ["", "ratio of the host's", "µs, the one inside", "µs, the host's"]
    return markdown(heads, [*rows, ["geometric mean", f"{mean:.2f}", "", ""]])


def markdown(heads, rows):
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


if __name__ == "__main__":
    main()
