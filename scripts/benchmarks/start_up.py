"""Start-up: the time from exec until the first 200 is read.

Two sites, hello world and the Flask test site: ours from a folder, from a zip and from an
executable with that zip in it, compared with Gunicorn in a virtual environment. They take
turns, so that changes of the machine's speed affect all. The elapsed time is measured,
and the CPU time of all their processes until the response. The zip is already unpacked,
as in every start but the first; the time of the first is measured, too.

The start of the interpreter alone is compared with the host's. The cost of the carried
loader and C library is measured with `--version` of the executable and of the same program
linked in the ordinary way. These also take turns.
"""

import argparse
import json
import os
import pathlib
import resource
import signal
import socket
import statistics
import subprocess
import tempfile
import time

import tree

ROOT = pathlib.Path(__file__).resolve().parents[2]
APPS = ROOT / "tests" / "apps"
DEADLINE = 20.0  # seconds until a server that does not answer is given up


def main():
    options = parse_options()
    server = str(options.server.resolve())
    peers = options.peers.resolve()
    work = options.work.resolve()
    flask_zip, executable = pack_flask(server, work)

    from_zip = [server, "--app-zip", str(flask_zip), "app:create_app()", "--app-cache-dir"]
    hello = Contender("rgunicorn, hello world", [server, "app"], APPS / "hello")
    others = [Contender("gunicorn, hello world", [str(peers / "bin" / "gunicorn"), "app"], APPS / "hello")]
    if options.before:
        others.append(Contender("before, hello world", [str(options.before.resolve()), "app"], APPS / "hello"))
    cache = str(work / "cache")
    ours = Contender("rgunicorn, Flask from a zip", [*from_zip, cache], APPS)
    packed = Contender(
        "rgunicorn, Flask packed into it", [str(executable), "app:create_app()", "--app-cache-dir", cache], APPS
    )
    gunicorn = Contender(
        "gunicorn, Flask in a venv", [str(peers / "bin" / "gunicorn"), "app:create_app()"], APPS / "flask_site"
    )
    contenders = [hello, *others, ours, packed, gunicorn]
    for contender in contenders:
        contender.first_answer()  # fills page cache, unpacks the zip, writes .pyc files
    first = Contender("  at its first start", [], APPS)
    for nth in range(options.runs):
        for contender in contenders:
            contender.measure()
        if nth < 5:
            with tempfile.TemporaryDirectory() as cache:
                first.command = [*from_zip, cache]
                first.measure()

    load = os.getloadavg()[0]
    print(f"start to first answer, {options.runs} interleaved runs, milliseconds; load {load:.1f}")
    print(f"{'':32}{'clock: min':>12}{'median':>8}{'max':>8}{'cpu: min':>12}{'median':>8}{'max':>8}")
    contenders.insert(contenders.index(ours) + 1, first)
    for contender in contenders:
        told = [1000 * f(times) for times in (contender.clock, contender.cpu) for f in (min, statistics.median, max)]
        print(f"{contender.name:32}" + "".join(f"{it:{width}.1f}" for it, width in zip(told, (12, 8, 8) * 2)))
    for other in others:
        compare(f"hello world, ours / {other.name.partition(',')[0]}", hello, other)
    compare("Flask, ours / gunicorn", ours, gunicorn)
    compare("Flask, packed into the executable / from a zip", packed, ours)
    pythons = {"rgunicorn python": [server, "python"], str(options.python): [str(options.python)]}
    options.results.write_text(json.dumps({
        "sites": {contender.name: {"clock": contender.clock, "cpu": contender.cpu} for contender in contenders},
        "pythons": compare_pythons(pythons, 5 * options.runs),
        "loader": compare_links(server, str(options.ordinary.resolve()), 20 * options.runs),
    }, indent=1))


def compare(what, one, other):
    """Prints how much more or less time one takes than the other."""
    clock, cpu = (
        statistics.median(a / b for a, b in zip(getattr(one, kind), getattr(other, kind)))
        for kind in ("clock", "cpu")
    )
    print(f"{what}, median of pairs: clock {clock:.2f}, cpu {cpu:.2f}")


def compare_pythons(pythons, runs):
    """The times of the interpreters for a program that does nothing, and the most memory
    that they need."""
    status = "print(open('/proc/self/status').read())"
    results = {}
    for name, command in pythons.items():
        told = subprocess.run([*command, "-I", "-c", status], stdout=subprocess.PIPE, text=True, check=True).stdout
        kilobytes = next(int(line.split()[1]) for line in told.splitlines() if line.startswith("VmHWM:"))
        results[name] = {"clock": [], "cpu": [], "memory": kilobytes * 1024}
    for _ in range(runs):
        for name, command in pythons.items():
            for kind, seconds in zip(("clock", "cpu"), run([*command, "-I", "-c", "pass"])):
                results[name][kind].append(seconds)
    for name, it in results.items():
        clock, cpu = (1000 * statistics.median(it[kind]) for kind in ("clock", "cpu"))
        print(f"{name} -I -c pass, {runs} times: clock {clock:.1f} ms, cpu {cpu:.1f} ms, {it['memory'] / 1e6:.1f} MB")
    return results


def compare_links(carried, ordinary, runs):
    """Prints the time of `--version`, and returns how much of it is the carried loader."""
    pairs = [[run([program, "--version"])[0] for program in (carried, ordinary)] for _ in range(runs)]
    ours, theirs = (1000 * statistics.median(times) for times in zip(*pairs))
    cost = statistics.median(a - b for a, b in pairs)
    print(f"--version, {runs} pairs: {ours:.2f} ms, linked the ordinary way {theirs:.2f} ms")
    print(f"the carried loader and C library cost {1000 * cost:.2f} ms (median of pairs)")
    return cost


def run(command):
    """Elapsed time and CPU time of a command that ends by itself."""
    started = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    elapsed, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return elapsed, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", type=pathlib.Path, required=True)
    parser.add_argument("--ordinary", type=pathlib.Path, required=True, help="the same, linked with the host's loader")
    parser.add_argument("--peers", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--python", type=pathlib.Path, required=True, help="the host's")
    parser.add_argument("--results", type=pathlib.Path, required=True)
    parser.add_argument("--before", type=pathlib.Path, help="an earlier build, for hello world")
    parser.add_argument("--runs", type=int, default=15)
    return parser.parse_args()


def pack_flask(server, work):
    """The Flask test site with its dependencies, as a zip and as an executable."""
    forms = work / "packed-flask.zip", work / "packed-flask"
    for form in forms:
        subprocess.run([server, "pack", str(APPS / "flask_site"), "-o", str(form)], check=True)
    return forms


class Contender:
    def __init__(self, name, command, folder):
        self.name, self.command, self.folder = name, command, folder
        self.clock, self.cpu = [], []

    def measure(self):
        clock, cpu = self.first_answer()
        self.clock.append(clock)
        self.cpu.append(cpu)

    def first_answer(self):
        """Seconds from exec to a complete first response: elapsed time and CPU time."""
        port = free_port()
        # Compiled modules are kept after the first start, as usual.
        habits = ("VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE")
        environment = {k: v for k, v in os.environ.items() if k not in habits}
        started = time.perf_counter()
        process = subprocess.Popen(
            [*self.command, "--bind", f"127.0.0.1:{port}"],
            cwd=self.folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        try:
            while not answered(port):
                if process.poll() is not None or time.perf_counter() - started > DEADLINE:
                    raise SystemExit(f"{self.name} did not answer: {' '.join(self.command)}")
                time.sleep(0.0005)
            clock = time.perf_counter() - started
            return clock, tree.cpu(tree.pids(process.pid))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def answered(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return connection.makefile("rb").readline().startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    main()
