# ends
# differs: the words of errors
# only ours: [ERROR] Exception in on_starting hook


def on_starting(server):
    raise ValueError("not like this")
