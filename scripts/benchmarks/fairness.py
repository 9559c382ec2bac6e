"""How four workers share 64 kept connections: the part of the requests that each
serves."""

import argparse
import collections
import json
import pathlib
import re
import selectors
import signal
import socket
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HELLO = ROOT / "tests" / "apps" / "hello"
REQUEST = b"GET /pid HTTP/1.1\r\nHost: bench\r\n\r\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", type=pathlib.Path, required=True)
    parser.add_argument("--results", type=pathlib.Path, required=True)
    parser.add_argument("--worker-classes", type=lambda text: text.split(","), default=["sync", "gthread"])
    parser.add_argument("--seconds", type=int, default=10, help="of the load")
    options = parser.parse_args()
    results = {kind: fairness(options, kind) for kind in options.worker_classes}
    options.results.write_text(json.dumps(results, indent=1))


class Server:
    """The server under test, and the pids of its workers."""

    def __init__(self, options, worker_class, workers):
        self.process = subprocess.Popen(
            [options.server.resolve(), "--bind", "127.0.0.1:0", "--workers", str(workers)]
            + ["--worker-class", worker_class, "--worker-connections", "20000"]
            + ["--keep-alive", "60", "--timeout", "120", "app:application"],
            cwd=HELLO,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.pids = []
        for line in self.process.stderr:
            if found := re.search(r"Listening at: http://(.*?):(\d+) ", line):
                self.address = found[1], int(found[2])
            if found := re.search(r"Booting worker with pid: (\d+)", line):
                self.pids.append(int(found[1]))
                if len(self.pids) == workers:
                    break
        else:
            raise SystemExit("the server did not start")
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        seen = set()
        deadline = time.monotonic() + 30
        while len(seen) < workers and time.monotonic() < deadline:
            seen.add(ask(self.address))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(20)


def ask(address):
    with socket.create_connection(address, timeout=30) as client:
        client.sendall(REQUEST)
        return client.recv(4096).rpartition(b"\r\n")[2]


def fairness(options, worker_class):
    """The shares of the workers; 1 is fair."""
    workers, connections = 4, 64
    with Server(options, worker_class, workers) as server, selectors.DefaultSelector() as ready:
        counts, homes = collections.Counter(), {}

        def begin():
            client = socket.create_connection(server.address, timeout=30)
            client.sendall(REQUEST)
            ready.register(client, selectors.EVENT_READ)

        for _ in range(connections):
            begin()
        end = time.monotonic() + options.seconds
        while time.monotonic() < end:
            for key, _ in ready.select(1):
                try:
                    answer = key.fileobj.recv(65536)
                except ConnectionResetError:
                    answer = b""
                if not answer:
                    ready.unregister(key.fileobj)
                    key.fileobj.close()
                    begin()
                    continue
                homes[key.fileobj] = answer.rpartition(b"\r\n")[2]
                counts[homes[key.fileobj]] += 1
                try:
                    key.fileobj.sendall(REQUEST)
                except OSError:
                    pass  # it was closed, which the next read shows
        total = sum(counts.values())
        shares = sorted(count * workers / total for count in counts.values())
        print(f"{worker_class}: {total} requests on {connections} connections")
        held = collections.Counter(homes.values())
        print("connections of the workers:", *sorted(held.values()))
        print("shares of the workers, 1 is fair:", *(f"{share:.2f}" for share in shares))
        if len(shares) < workers or shares[0] < 0.5 or shares[-1] > 2:
            raise SystemExit("a worker serves less than half or more than twice its share")
        return shares


if __name__ == "__main__":
    main()
