"""A server that is measured: started on its own core, measured, and stopped."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import tree
from peers import APPS

sys.path.insert(0, str(APPS))
import shop  # noqa: E402

SERVER_CORE, LOAD_CORE = 0, 1
DEADLINE = 30.0  # seconds until a server that does not answer is given up

# If a benchmark gets SIGTERM, it stops its servers first (`finally`).
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A contender in a folder of its own, with the apps and their database. `answers`
    says whether it serves; without, a request over HTTP/1.1 does."""

    def __init__(self, contender, answers=None):
        self.contender, self.port = contender, free_port()
        self.answers = answers or answers_http1
        self.folder = tempfile.mkdtemp(prefix="bench-")
        for app in APPS.glob("*.py"):
            shutil.copy(app, self.folder)
        for name, text in contender.files(self.port).items():
            pathlib.Path(self.folder, name).write_text(text)
        shop.make(self.folder)
        self.log = open(pathlib.Path(self.folder, "log"), "wb+")
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
        try:
            self.process = subprocess.Popen(
                contender.command(self.port), cwd=self.folder, env={**environment, "PYTHONPATH": self.folder},
                stdout=self.log, stderr=self.log, start_new_session=True,
                preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CORE}),
            )
        except OSError:
            self.remove_folder()
            raise

    def wait(self):
        """False if it does not start, for example without a worker class."""
        end = time.monotonic() + DEADLINE
        while not self.answers(self.port):
            if self.process.poll() is not None or time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True

    def why(self):
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "nothing was said"

    def processes(self):
        return tree.pids(self.process.pid)

    def memory(self, pids, kind="Pss"):
        """Bytes; a shared page is divided among the processes that share it (PSS). With
        Pss_Anon only memory that belongs to no file: the share of a file depends on
        other processes."""
        total = 0
        for pid in pids:
            for line in pathlib.Path("/proc", pid, "smaps_rollup").read_text().splitlines():
                if line.startswith(f"{kind}:"):
                    total += int(line.split()[1]) * 1024
        return total

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.remove_folder()

    def remove_folder(self):
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def answers_http1(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return connection.recv(12).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def load(program, *words):
    """Runs the load generator on its core. Returns the numbers in its line."""
    return [float(number) for number in on_the_load_core([program, *words]).split()]


def on_the_load_core(command):
    """Runs a load generator on its core. Returns what it says."""
    try:
        result = subprocess.run(
            [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=DEADLINE,
            preexec_fn=lambda: os.sched_setaffinity(0, {LOAD_CORE}),
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"the load was not served in {DEADLINE:.0f} seconds") from None
    if result.returncode:
        raise RuntimeError(result.stderr.strip() or f"the load generator ended with {result.returncode}")
    return result.stdout
