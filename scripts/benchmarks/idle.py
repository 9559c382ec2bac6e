"""Memory and CPU time of a worker with 10,000 idle connections, kept ones and
WebSockets."""

import argparse
import os
import pathlib
import resource
import subprocess
import time

import peers
import tree
from server import LOAD_CORE, Server, free_port

CONNECTIONS = 10_000
WATCHED = 10.0  # seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("server", "venv", "peers", "load", "bare"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    options = parser.parse_args()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit, 2 * CONNECTIONS), limit))
    print(f"{CONNECTIONS} idle connections for {WATCHED:.0f} seconds, each after one request")
    for words in ([], ["-k", "gthread", "--threads", "4"], ["-k", "asgi"]):
        module = "plain_asgi" if "asgi" in words else "plain"
        measure(options, module, words, "idle")
    # Without pings, which the load generator does not answer.
    measure(options, "plain_asgi", ["-k", "asgi", "--websocket-ping-interval", "0"], "idle-ws")


def measure(options, module, words, kind):
    port = free_port()
    name = f"rgunicorn {words[1] if words else 'sync'}{', WebSockets' if kind == 'idle-ws' else ''}"
    settings = ["--worker-connections", str(2 * CONNECTIONS), "--keep-alive", "300"]
    command = [str(options.server.resolve()), "--bind", f"127.0.0.1:{port}", *settings, *words, f"{module}:app"]
    server = Server(peers.Contender(name, command), port)
    try:
        if not server.wait():
            print(f"{name}: does not serve: {server.why()}")
            return
        pids = server.processes()
        before = server.memory(pids)
        client = subprocess.Popen(
            [options.load, str(port), str(CONNECTIONS), "60", kind, "/"], stdout=subprocess.PIPE, text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {LOAD_CORE}),
        )
        try:
            ready = client.stdout.readline().strip()
            memory, start = server.memory(pids), tree.cpu(pids)
            time.sleep(WATCHED)
            cpu = tree.cpu(pids) - start
            print(
                f"{name}: {(memory - before) / 1e6:.1f} MB more ({(memory - before) / CONNECTIONS / 1024:.1f} KiB "
                f"each), {cpu / WATCHED * 1000:.2f} ms of CPU time a second ({ready})", flush=True,
            )
        finally:
            client.kill()
            client.wait()
    finally:
        server.stop()


if __name__ == "__main__":
    main()
