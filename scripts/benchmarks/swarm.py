"""Many clients at once: a swarm of slow ones, and how workers share the rest.

swarm: 10,000 connections that send a byte of their head each second, beside
requests as usual; what these take, with and without the swarm, and the
worker's memory. Needs wrk.

fairness: 64 kept connections and four workers; how many of the requests each
worker serves.
"""

import argparse
import collections
import pathlib
import re
import resource
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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["swarm", "fairness"])
    parser.add_argument("--server", type=pathlib.Path, required=True)
    parser.add_argument("--worker-class", default="sync")
    parser.add_argument("--slow", type=int, default=10_000, help="slow connections")
    parser.add_argument("--seconds", type=int, default=10, help="of each load")
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    (swarm if options.what == "swarm" else fairness)(options)


class Server:
    """The server under test, and its workers' pids."""

    def __init__(self, options, workers):
        self.process = subprocess.Popen(
            [options.server.resolve(), "--bind", "127.0.0.1:0", "--workers", str(workers)]
            + ["--worker-class", options.worker_class, "--worker-connections", "20000"]
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


def memory(pid):
    """The private memory of a process in MB."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+)", text)[1]) / 1024


def usual_load(server, seconds):
    """Requests per second, median and p99 in milliseconds, errors."""
    host, port = server.address
    command = ["wrk", "-t1", "-c8", f"-d{seconds}s", "--latency", f"http://{host}:{port}/"]
    report = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    unit = {"us": 0.001, "ms": 1, "s": 1000}

    def latency(share):
        number, name = re.search(rf"{share}%\s+([\d.]+)(us|ms|s)", report).groups()
        return float(number) * unit[name]

    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", report)[1])
    errors = re.search(r"(Socket errors|Non-2xx).*", report)
    return rate, latency(50), latency(99), errors[0] if errors else "none"


def swarm(options):
    with Server(options, 1) as server:
        usual_load(server, 2)
        rows = [("alone", *usual_load(server, options.seconds), memory(server.pids[0]))]
        stop = threading.Event()
        clients = []
        for _ in range(options.slow):
            client = socket.create_connection(server.address, timeout=30)
            client.setblocking(False)
            clients.append(client)
        refused = []
        sender = threading.Thread(target=dribble, args=(clients, stop, refused))
        sender.start()
        time.sleep(3)
        rows.append(("swarm", *usual_load(server, options.seconds), memory(server.pids[0])))
        stop.set()
        sender.join()
        print(f"{options.worker_class}: usual requests beside {options.slow} slow connections")
        print(f"{'':8}{'requests/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'MB':>8}  errors")
        for name, rate, middle, high, errors, size in rows:
            print(f"{name:8}{rate:12.0f}{middle:9.2f}{high:9.2f}{size:8.1f}  {errors}")
        print(f"{len(refused)} of the slow connections were closed by the server")


def dribble(clients, stop, refused):
    """Sends a byte on each connection each second, evenly spread."""
    head = b"GET / HTTP/1.1\r\nHost: slow\r\n" + b"X: y\r\n" * 100
    place = 0
    open_clients = list(clients)
    while not stop.is_set():
        begin = time.monotonic()
        kept = []
        for number, client in enumerate(open_clients):
            try:
                client.send(head[place : place + 1])
                kept.append(client)
            except OSError:
                refused.append(client)
            if number % 100 == 99:
                behind = begin + number / len(open_clients) - time.monotonic()
                stop.wait(max(0, behind))
        open_clients = kept
        place += 1
        stop.wait(max(0, begin + 1 - time.monotonic()))
    for client in clients:
        client.close()


def fairness(options):
    workers, connections = 4, 64
    with Server(options, workers) as server, selectors.DefaultSelector() as ready:
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
        print(f"{options.worker_class}: {total} requests on {connections} connections")
        held = collections.Counter(homes.values())
        print("connections of the workers:", *sorted(held.values()))
        print("shares of the workers, 1 is fair:", *(f"{share:.2f}" for share in shares))
        if len(shares) < workers or shares[0] < 0.5 or shares[-1] > 2:
            raise SystemExit("a worker serves less than half or more than twice its share")


if __name__ == "__main__":
    main()
