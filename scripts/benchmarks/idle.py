"""Memory and CPU time of a worker with 10,000 idle connections, kept ones and
WebSockets."""

import argparse
import json
import os
import pathlib
import resource
import subprocess
import time

import peers
import tree
from server import LOAD_CORE, Server

CONNECTIONS = 10_000
WATCHED = 10.0  # seconds
MODULES = {"wsgi": "plain", "asgi": "plain_asgi"}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("server", "load", "results"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    options = parser.parse_args()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit, 2 * CONNECTIONS), limit))
    print(f"{CONNECTIONS} idle connections for {WATCHED:.0f} seconds, each after one request")
    results = {}
    for protocol, classes in peers.OUR_KINDS.items():
        for name, words in classes.items():
            results[name] = measure(options, name, MODULES[protocol], words, "idle")
    # Without pings, which the load generator does not answer.
    words = ["-k", "asgi", "--websocket-ping-interval", "0"]
    results["WebSockets"] = measure(options, "asgi, WebSockets", MODULES["asgi"], words, "idle-ws")
    options.results.write_text(json.dumps(results, indent=1))


def measure(options, name, module, words, kind):
    """Bytes of memory, and CPU time per second."""
    settings = ["--worker-connections", str(2 * CONNECTIONS), "--keep-alive", "300", *words, f"{module}:app"]
    server = Server(peers.Contender(
        name, lambda port: [str(options.server.resolve()), "--bind", f"127.0.0.1:{port}", *settings],
    ))
    try:
        if not server.wait():
            raise SystemExit(f"{name} does not serve: {server.why()}")
        pids = server.processes()
        before = server.memory(pids)
        client = subprocess.Popen(
            [options.load, str(server.port), str(CONNECTIONS), "60", kind, "/"], stdout=subprocess.PIPE, text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {LOAD_CORE}),
        )
        try:
            ready = client.stdout.readline().strip()
            memory, start = server.memory(pids) - before, tree.cpu(pids)
            time.sleep(WATCHED)
            cpu = (tree.cpu(pids) - start) / WATCHED
            print(
                f"{name}: {memory / 1e6:.1f} MB more ({memory / CONNECTIONS / 1024:.1f} KiB each), "
                f"{cpu * 1000:.2f} ms of CPU time a second ({ready})", flush=True,
            )
            return {"memory": memory, "each": memory / CONNECTIONS, "cpu": cpu}
        finally:
            client.kill()
            client.wait()
    finally:
        server.stop()


if __name__ == "__main__":
    main()
