# A typical config file: computed settings, a folder for the metrics, and every hook.
import os
import shutil
import time

# prometheus_client reads it when it is imported.
METRICS = os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", os.path.abspath("metrics"))

from prometheus_client import multiprocess

host = os.environ.get("HOST", "127.0.0.1")
port = int(os.environ.get("PORT", "0"))

bind = [f"{host}:{port}"]
wsgi_app = "app"
workers = int(os.environ.get("SHOP_WORKERS", 2))
worker_class = "gthread"
threads = 2
max_requests = 10_000
max_requests_jitter = workers * 10
timeout = 60
graceful_timeout = 20
keepalive = 5
pidfile = "shop.pid"
proc_name = "shop"
loglevel = os.environ.get("LOG_LEVEL", "info")
accesslog = "access.log"
errorlog = "-"
access_log_format = '%(h)s "%(r)s" %(s)s %(b)s %(D)s "%(a)s"'
forwarded_allow_ips = "127.0.0.1,::1"
raw_env = ["SHOP=open"]


def note(name, *seen):
    with open("hooks.log", "a", encoding="utf-8") as file:
        print(name, *seen, file=file)


def on_starting(server):
    shutil.rmtree(METRICS, ignore_errors=True)
    os.makedirs(METRICS)
    note("on_starting", server.cfg.workers)


def when_ready(server):
    server.log.info("The shop is ready. Spawning %d workers", server.cfg.workers)
    note("when_ready")


def on_reload(server):
    note("on_reload")


def nworkers_changed(server, new_value, old_value):
    note("nworkers_changed", new_value, old_value)


def pre_fork(server, worker):
    worker.began = time.monotonic()
    note("pre_fork")


def post_fork(server, worker):
    server.log.info("Worker spawned (pid: %s)", worker.pid)
    note("post_fork")


def post_worker_init(worker):
    import app

    app.WORKERS.inc()
    note("post_worker_init")


def pre_request(worker, req):
    req.began = time.perf_counter()
    worker.log.debug("%s %s", req.method, req.path)
    note("pre_request")


def post_request(worker, req, environ, resp):
    import app

    app.SECONDS.observe(time.perf_counter() - req.began)
    note("post_request", resp.status_code)


def worker_int(worker):
    worker.log.info("worker received INT or QUIT signal")
    note("worker_int")


def worker_abort(worker):
    worker.log.info("worker received SIGABRT signal")
    note("worker_abort")


def worker_exit(server, worker):
    note("worker_exit")


def child_exit(server, worker):
    multiprocess.mark_process_dead(worker.pid)
    note("child_exit", round(time.monotonic() - worker.began) >= 0)


def pre_exec(server):
    server.log.info("Forked child, re-executing.")
    note("pre_exec")


def on_exit(server):
    note("on_exit")
