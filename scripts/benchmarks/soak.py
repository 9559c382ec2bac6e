"""Memory over millions of requests: it must not grow after the first 100,000."""

import argparse
import pathlib

import peers
from server import Server, free_port, load

WARM = 100_000
STEP = 50_000  # also a busy machine serves so many before the load gives up
TOLD = 500_000


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("server", "venv", "peers", "load", "bare"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("millions", type=float, nargs="?", default=5)
    options = parser.parse_args()
    for words in ([], ["-k", "gthread", "--threads", "4"], ["-k", "asgi"]):
        module = "plain_asgi" if "asgi" in words else "plain"
        soak(options, module, words)


def soak(options, module, words):
    port = free_port()
    name = f"rgunicorn {words[1] if words else 'sync'}"
    command = [
        str(options.server.resolve()), "--bind", f"127.0.0.1:{port}", "--access-logfile", "/dev/null", *words,
        f"{module}:app",
    ]
    server = Server(peers.Contender(name, command), port)
    try:
        if not server.wait():
            print(f"{name}: does not serve: {server.why()}")
            return
        pids = server.processes()
        load(options.load, port, 64, WARM, "keep", "/")
        first, done, failed = server.memory(pids, "Pss_Anon"), 0, 0
        while done < options.millions * 1e6:
            _, errors, *_ = load(options.load, port, 64, STEP, "keep", "/")
            done += STEP
            failed += errors
            if done % TOLD:
                continue
            memory = server.memory(pids, "Pss_Anon")
            print(f"{name}: {done / 1e6:.1f} million requests, {memory / 1e6:.2f} MB, "
                  f"{(memory - first) / 1e6:+.2f} MB, {failed:.0f} errors", flush=True)
    finally:
        server.stop()


if __name__ == "__main__":
    main()
