"""Uses packages that start Python again, or that look at the process."""

import os

WORD = "first"


def double(number):
    return 2 * number


def pools():
    import anyio
    import anyio.to_process
    import joblib

    doubled = joblib.Parallel(n_jobs=2)(joblib.delayed(double)(number) for number in (20, 21))
    return f"{doubled} {anyio.run(anyio.to_process.run_sync, double, 21)}"


def debugger():
    import debugpy

    debugpy.configure(subProcess=False)
    address, port = debugpy.listen(("127.0.0.1", 0))
    return f"{address} {port > 0}"


def title():
    import setproctitle

    before = setproctitle.getproctitle()
    setproctitle.setproctitle("a title of the app's own, which is a long one")
    children = os.popen("echo $GREETING").read().strip()
    return f"{before} | {setproctitle.getproctitle()} | {os.environ['GREETING']} {children}"


PAGES = {"/pools": pools, "/debugger": debugger, "/title": title, "/pid": lambda: str(os.getpid())}


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [PAGES[environ["PATH_INFO"]]().encode()]


def flask():
    """For Flask's own server."""
    import flask

    site = flask.Flask(__name__)
    site.add_url_rule("/", view_func=lambda: WORD)
    return site


async def asgi(scope, receive, send):
    """For uvicorn."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": WORD.encode()})
