# args: --threads 3 --workers 1 app:app
# get: /page
workers = 4
threads = 1
worker_class = "no.such.Class"
worker_class = "sync"


def when_ready(server):
    cfg = server.cfg
    print(cfg.workers, cfg.threads, cfg.worker_class_str, cfg.bind, cfg.timeout, flush=True)
