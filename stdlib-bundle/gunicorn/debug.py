"""The setting `spew`: prints every line of Python that is run."""

import linecache
import sys


class Spew:
    """Prints each line, of all modules or of the named ones."""

    def __init__(self, trace_names=None, show_values=True):
        self.trace_names = trace_names
        self.show_values = show_values

    def __call__(self, frame, event, arg):
        if event == "line":
            name = frame.f_globals.get("__name__", "[unknown]")
            if self.trace_names is None or name in self.trace_names:
                file = frame.f_globals.get("__file__", "[unknown]")
                line = linecache.getline(file, frame.f_lineno).rstrip()
                print(f"{name}:{frame.f_lineno}: {line}", flush=True)
        return self


def spew(trace_names=None, show_values=False):
    sys.settrace(Spew(trace_names, show_values))


def unspew():
    sys.settrace(None)
