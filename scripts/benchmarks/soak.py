"""Memory during millions of requests and WebSocket messages, for every worker class. It
must not grow after the first 100,000."""

import argparse
import pathlib

import peers
from server import Server, load

WARM = 100_000
STEP = 50_000  # also a busy machine serves so many before the load gives up
TOLD = 500_000

# The worker's options, its app, the page, and the number of requests, as a part of the
# total.
KINDS = (
    ([], "plain", "keep", 1),
    (["-k", "gthread", "--threads", "4"], "plain", "keep", 1),
    (["-k", "gevent"], "plain", "keep", 1),
    (["-k", "tornado"], "plain", "keep", 1),
    (["-k", "asgi"], "plain_asgi", "keep", 1),
    (["-k", "asgi"], "plain_asgi", "ws", 0.2),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("server", "venv", "load"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("millions", type=float, nargs="?", default=5)
    options = parser.parse_args()
    for words, module, kind, part in KINDS:
        soak(options, words, module, kind, part * options.millions * 1e6)


def soak(options, words, module, kind, wanted):
    what = "messages" if kind == "ws" else "requests"
    name = f"rgunicorn {words[1] if words else 'sync'}"
    settings = ["--access-logfile", "/dev/null", "--venv", str(options.venv.resolve()), *words, f"{module}:app"]
    server = Server(peers.Contender(
        name, lambda port: [str(options.server.resolve()), "--bind", f"127.0.0.1:{port}", *settings],
    ))
    try:
        if not server.wait():
            print(f"{name}: does not serve: {server.why()}")
            return
        pids = server.processes()
        load(options.load, server.port, 64, WARM, kind, "/")
        first, done, failed = server.memory(pids, "Pss_Anon"), 0, 0
        while done < wanted:
            _, errors, *_ = load(options.load, server.port, 64, STEP, kind, "/")
            done += STEP
            failed += errors
            if done % TOLD:
                continue
            memory = server.memory(pids, "Pss_Anon")
            print(f"{name}: {done / 1e6:.1f} million {what}, {memory / 1e6:.2f} MB, "
                  f"{(memory - first) / 1e6:+.2f} MB, {failed:.0f} errors", flush=True)
    finally:
        server.stop()


if __name__ == "__main__":
    main()
