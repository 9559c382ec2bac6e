"""Many active clients, for each worker class.

active: 5,000 kept connections that all send requests, compared with 32.

swarm: ordinary requests, with and without 10,000 connections that send one byte of
their request each second.
"""

import argparse
import json
import pathlib
import resource
import statistics

import peers
import server
import tree

CLASSES = (
    ("sync", "plain:app"),
    ("gthread", *peers.THREADS, "plain:app"),
    ("asgi", "-k", "asgi", "plain_asgi:app"),
)
FEW, MANY, SLOW, USUAL = 32, 5_000, 10_000, 8
REQUESTS = 200_000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["active", "swarm"])
    for name in ("server", "load", "results"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    small, large = {"active": ((FEW, 0), (MANY, 0)), "swarm": ((USUAL, 0), (USUAL, SLOW))}[options.what]
    what = {"active": "connections that all ask", "swarm": f"usual connections, alone and beside {SLOW} slow ones"}
    print(f"{what[options.what]}, medians of {options.rounds} rounds")
    print(f"{'':22}{'CPU µs/request':>15}{'requests/s':>12}{'p50 ms':>8}{'p99 ms':>8}{'MB':>7}")
    results = {name: measure(options, name, words, small, large) for name, *words in CLASSES}
    options.results.write_text(json.dumps(results, indent=1))


def measure(options, name, words, small, large):
    """The medians of the small and of the large load."""
    limits = ["--worker-connections", "20000", "--keep-alive", "60"]
    running = server.Server(peers.Contender(
        name, lambda port: [str(options.server.resolve()), "--bind", f"127.0.0.1:{port}", *limits, *words],
    ))
    try:
        if not running.wait():
            raise SystemExit(f"{name} does not serve: {running.why()}")
        pids = running.processes()
        rounds = {small: [], large: []}
        for _ in range(options.rounds):
            for kind in rounds:
                rounds[kind].append(one_run(options, running.port, pids, *kind))
        medians = {}
        for kind, runs in rounds.items():
            medians[kind] = [statistics.median(column) for column in zip(*runs)]
            memory = running.memory(pids, "Pss_Anon") / 1e6
            label = f"{name}, {kind[0]}" + (f" + {kind[1]} slow" if kind[1] else "")
            cpu, rate, middle, high = medians[kind]
            print(f"{label:22}{cpu:15.1f}{rate:12,.0f}{middle:8.2f}{high:8.2f}{memory:7.1f}", flush=True)
        ratios = (b / a for a, b in zip(medians[small], medians[large]))
        print(f"{'  ratio':22}" + "".join(f"{ratio:{width}.2f}" for ratio, width in zip(ratios, (15, 12, 8, 8))))
        return [dict(zip(("cpu", "rate", "p50", "p99"), medians[kind])) for kind in (small, large)]
    finally:
        running.stop()


def one_run(options, port, pids, connections, slow):
    """CPU time per request in µs, requests per second, median and p99 in ms."""
    before = tree.cpu(pids)
    done, errors, seconds, p50, p99, _ = server.load(options.load, port, connections, REQUESTS, "keep", "/", 0, slow)
    if errors:
        raise SystemExit(f"{errors:.0f} of {done:.0f} requests failed")
    return (tree.cpu(pids) - before) / done * 1e6, done / seconds, p50 / 1000, p99 / 1000


if __name__ == "__main__":
    main()
