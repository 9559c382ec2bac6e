"""Servers take turns under load: one run each, then the next round, so that changes of
the machine's speed affect all. A server runs on one core and the load generator on the
other. A run has a fixed number of requests. The CPU time is user and system time of all
threads of all the server's processes. The results are the medians of the rounds.

The ratio is the CPU time of a server to that of the first server, ours, in the same
round: 1 is the same, 2 is twice as much."""

import argparse
import dataclasses
import json
import pathlib
import statistics
import sys
import time
import typing

import tree
from server import Server

# The heading of a measure, the factor and the digits of the printed value.
MEASURES = {
    "ratio": ("ratio", 1, 2),
    "cpu": ("CPU us/request", 1e6, 1),
    "rate": ("requests/s", 1, 0),
    "mean": ("mean ms", 1e3, 2),
    "p50": ("p50 ms", 1e3, 2),
    "p99": ("p99 ms", 1e3, 2),
    "memory": ("memory MB", 1e-6, 1),
}


@dataclasses.dataclass(frozen=True)
class Scenario:
    """A page under one kind of load. `load` sends a number of requests to a server, at
    least `least`, and returns what it measured."""

    key: str
    title: str
    page: str
    load: typing.Callable[[Server, int], dict[str, float]]
    least: int
    without: tuple[str, ...] = ()  # the kinds of contenders that take no part


@dataclasses.dataclass(frozen=True)
class Group:
    """Scenarios of the same servers. `answers` says whether a server serves."""

    contenders: list
    scenarios: list[Scenario]
    answers: typing.Callable[[int], bool] | None = None


def options(description):
    """A parser with the options that all such benchmarks have."""
    parser = argparse.ArgumentParser(description=description)
    for name in ("server", "venv", "peers", "results"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--pages", type=lambda text: text.split(","))
    parser.add_argument(
        "--servers", type=lambda text: text.split(","), default=[""],
        help="only those whose name contains one of these words",
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="how long one run is to take")
    parser.add_argument("--budget", type=float, default=1500.0, help="seconds after which no run is begun")
    parser.add_argument("--quick", action="store_true", help="one short round of one kind of load")
    parser.add_argument("--resume", action="store_true", help="measure only what the results do not have yet")
    return parser


def named(pages, wanted):
    """The wanted pages, all if none is named."""
    for name in wanted or []:
        if name not in pages:
            raise SystemExit(f"bench: there is no page '{name}'; there are {', '.join(pages)}")
    return {name: page for name, page in pages.items() if name in (wanted or pages)}


def measure(groups, options):
    """Measures the groups, one after the other, and writes the results into their file
    after each scenario, as {scenario: {server: {measure: value}}}."""
    end = time.monotonic() + options.budget
    results = json.loads(options.results.read_text()) if options.resume and options.results.exists() else {}
    for group in groups:
        missing = [it for it in group.scenarios if it.key not in results]
        if not missing:
            continue
        running = []
        try:
            for server in start(group, missing, options):
                running.append(server)
            for scenario in missing:
                if time.monotonic() > end:
                    print("bench: out of time", file=sys.stderr)
                    return
                results[scenario.key] = take_turns(running, scenario, options)
                options.results.write_text(json.dumps(results, indent=1))
                show(scenario, results[scenario.key])
        finally:
            for server in running:
                server.stop()
    if not results:
        raise SystemExit("bench: nothing was measured")


def start(group, scenarios, options):
    """Starts the contenders. One that is not installed, or does not serve, is named and
    left out."""
    pages = {it.page for it in scenarios}
    for contender in group.contenders:
        if not any(word in contender.name for word in options.servers):
            continue
        if contender.pages and not pages.intersection(contender.pages):
            continue
        try:
            server = Server(contender, group.answers)
        except OSError as error:
            print(f"bench: {contender.name} is left out: {error}", file=sys.stderr)
            continue
        serves = False
        try:
            serves = server.wait()
        finally:
            if not serves:
                print(f"bench: {contender.name} is left out: {server.why()}", file=sys.stderr)
                server.stop()
        if serves:
            yield server


def take_turns(running, scenario, options):
    """The medians of the rounds, by the names of the servers. A first run, which does not
    count, tells how many requests a server answers in the time of a run."""
    taking_part = [
        server for server in running
        if scenario.page in (server.contender.pages or [scenario.page])
        and server.contender.kind not in scenario.without
    ]
    runs, counts = {server: [] for server in taking_part}, {}
    for server in taking_part:
        first = run(server, scenario, scenario.least)
        counts[server] = first and max(scenario.least, int(first["rate"] * options.seconds))
    for _ in range(options.rounds):
        # A server that fails in a round has no part in it, and no ratio.
        for server in taking_part:
            runs[server].append(counts[server] and run(server, scenario, counts[server]))
    return {
        server.contender.name: {
            "ratio": ratio(its, runs[taking_part[0]]),
            **{measure: statistics.median(it[measure] for it in good) for measure in good[0]},
            "kind": server.contender.kind,
        }
        for server, its in runs.items() if (good := [it for it in its if it])
    }


def run(server, scenario, count):
    """What one run measured; None if it failed."""
    pids = server.processes()
    before = tree.cpu(pids)
    try:
        result = scenario.load(server, count)
    except RuntimeError as error:
        print(f"bench: {server.contender.name}, {scenario.title}: {error}", file=sys.stderr)
        return None
    return {"cpu": (tree.cpu(pids) - before) / count, **result, "memory": server.memory(pids)}


def ratio(its, ours):
    pairs = [it["cpu"] / our["cpu"] for it, our in zip(its, ours) if it and our]
    return statistics.median(pairs) if pairs else None


def show(scenario, result):
    print(f"\n{scenario.title}")
    columns = [name for name in MEASURES if any(name in values for values in result.values())]
    print(f"{'':28}" + "".join(f"{MEASURES[name][0]:>16}" for name in columns))
    for server, values in result.items():
        cells = (cell(values[name], *MEASURES[name][1:]) for name in columns)
        note = f"  {values['errors']:.0f} errors" if values["errors"] else ""
        print(f"{server:28}" + "".join(f"{text:>16}" for text in cells) + note, flush=True)


def cell(value, factor, digits):
    return "" if value is None else f"{value * factor:,.{digits}f}"
