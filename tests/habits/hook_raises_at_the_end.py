# get: /page
# differs: an `on_exit` or `worker_exit` that raises
# only real: exit code: 1
# only real: stderr: StopIteration
# only real: stderr: SystemExit: 0
# only real: During handling of the above exception
# only real: Exception during worker exit
# only ours: exit code: 0
# only ours: Exception in on_exit hook
# only ours: Exception in worker_exit hook
def worker_exit(server, worker):
    raise ValueError("not like this")


def on_exit(server):
    raise ValueError("nor like this")
