# get: /page /page
# differs: the words of errors
# only ours: stderr: RuntimeError: Exception in pre_request hook


def pre_request(worker, req):
    raise ValueError("not like this")
