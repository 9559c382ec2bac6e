# ends
# differs: the words of errors
# only real: stderr: not like this
# only real: Using worker
# only ours: stderr: Exception in post_fork hook


def post_fork(server, worker):
    raise ValueError("not like this")
