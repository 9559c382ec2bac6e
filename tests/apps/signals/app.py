"""Has the signal handlers that HANDLERS names, and reports the signals. Serves the same
pages with WSGI and ASGI."""

import asyncio
import atexit
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time

REALTIME = range(signal.SIGRTMIN, signal.SIGRTMIN + 12)

heard = []


def say(text):
    # In one piece, and allowed in a signal handler.
    os.write(2, f"app: {text}\n".encode())


def note(number, frame):
    heard.append(number)
    if number not in REALTIME:
        say(f"heard {signal.Signals(number).name}")


def chained():
    """As most handlers: does its own work, then calls the earlier handler."""
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)
        signal.signal(number, lambda *them, before=before: (note(*them), before(*them)))


def own():
    """Does not call the earlier handler."""
    signal.signal(signal.SIGTERM, note)


def exits():
    def handler(number, frame):
        note(number, frame)
        sys.exit(0)

    signal.signal(signal.SIGTERM, handler)


def ignores():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def deaf():
    """Ignores the signal without Python's knowledge."""
    ctypes.CDLL(None).signal(int(signal.SIGTERM), ctypes.c_void_p(1))


def back_again():
    """Sets a handler, and restores the earlier one."""
    before = signal.signal(signal.SIGTERM, note)
    signal.signal(signal.SIGTERM, before)
    say(f"has {signal.getsignal(signal.SIGTERM) is before}")


def in_gevent():
    import gevent

    gevent.signal_handler(signal.SIGTERM, note, signal.SIGTERM, None)


def others():
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, *REALTIME):
        signal.signal(number, note)


def ticks():
    for kind, number in (
        (signal.ITIMER_REAL, signal.SIGALRM),
        (signal.ITIMER_VIRTUAL, signal.SIGVTALRM),
    ):
        signal.signal(number, lambda number, frame: None)
        signal.setitimer(kind, 0.002, 0.002)


def timer():
    signal.signal(signal.SIGALRM, note)
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)


def raises():
    def handler(number, frame):
        say("raises")
        raise ValueError("a handler that is broken")

    signal.signal(signal.SIGUSR2, handler)


def at_exit():
    atexit.register(say, f"atexit of {os.getpid()}")
    say("is loaded")


def lingering():
    threading.Thread(target=threading.Event().wait, name="lingers").start()


for name in os.environ.get("HANDLERS", "").split():
    globals()[name]()


def pid():
    return str(os.getpid())


def burst():
    """Sends itself several signals at once, to this thread."""
    heard.clear()
    # gevent has its own meaning of a thread.
    this = ctypes.CDLL(None).pthread_self
    this.restype = ctypes.c_ulong
    signal.pthread_sigmask(signal.SIG_BLOCK, REALTIME)
    for number in REALTIME:
        signal.pthread_kill(this(), number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, REALTIME)
    for _ in range(6000):
        if len(heard) == len(REALTIME):
            break
        time.sleep(0.01)
    return str(len(heard))


def child():
    """How a forked child ends after a signal."""
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    process.start()
    process.terminate()
    process.join()
    return str(process.exitcode)


def stop_loop():
    asyncio.get_event_loop().stop()
    return "stopped"


def exit_soon():
    """Ends the process outside of a request."""
    if "gevent" in sys.modules:
        sys.modules["gevent"].spawn(sys.exit)
    else:
        asyncio.get_event_loop().call_soon(sys.exit)
    return "exits"


def sleep():
    say("sleeps")
    time.sleep(3600)


def write():
    """Writes more than the limit for files allows."""
    import tempfile

    with tempfile.TemporaryFile(buffering=0) as file:
        try:
            for _ in range(64):
                file.write(bytes(1 << 20))
        except OSError as error:
            return os.strerror(error.errno)
    return "written"


PAGES = {f"/{page.__name__}": page for page in (
    pid, burst, child, stop_loop, exit_soon, sleep, write,
)}


def app(environ, start_response):
    environ["wsgi.input"].read()
    page = PAGES[environ["PATH_INFO"]]().encode()
    start_response("200 OK", [("Content-Length", str(len(page)))])
    return [page]


async def aapp(scope, receive, send):
    assert scope["type"] == "http"
    while (await receive()).get("more_body"):
        pass
    if scope["path"] == "/await":
        say("sleeps")
        await asyncio.Event().wait()
    page = PAGES[scope["path"]]().encode()
    headers = [(b"content-length", str(len(page)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": page})
