"""An app for tests with several threads."""

import contextvars
import hashlib
import threading
import time

LOCAL = threading.local()
VARIABLE = contextvars.ContextVar("variable")
GO = threading.Event()
BARRIERS = {}


def application(environ, start_response):
    body = PAGES[environ["PATH_INFO"]](environ)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body.encode()]


def multithread(environ):
    return str(environ["wsgi.multithread"])


def meet(environ):
    """Returns the name of the thread when so many threads wait here."""
    count = int(environ["QUERY_STRING"])
    BARRIERS.setdefault(count, threading.Barrier(count)).wait(60)
    return threading.current_thread().name


def own(environ):
    mine = object()
    LOCAL.value = mine
    VARIABLE.set(mine)
    time.sleep(0.002)
    return "own" if LOCAL.value is mine and VARIABLE.get() is mine else "another's"


def ident(environ):
    thread = threading.current_thread()
    assert thread.ident == threading.get_ident()
    return f"{thread.ident} {id(thread)}"


def scrypt(environ):
    return hashlib.scrypt(b"x", salt=b"y", n=1 << 12, r=8, p=1).hex()


def wait(environ):
    GO.wait(60)
    return "waited"


def go(environ):
    GO.set()
    return "gone"


def sleep(environ):
    time.sleep(float(environ["QUERY_STRING"]))
    return "slept"


PAGES = {
    "/multithread": multithread,
    "/meet": meet,
    "/own": own,
    "/ident": ident,
    "/scrypt": scrypt,
    "/wait": wait,
    "/go": go,
    "/sleep": sleep,
}
