"""Which memory grows between two moments."""

import collections
import fnmatch
import gc
import tracemalloc

# How many places and types are told.
MOST = 25

# Files whose allocations are those of the measurement.
OURS = [tracemalloc.__file__, __file__]


class Growth:
    """The memory from now on. `tracemalloc` is started if it does not run."""

    def __init__(self):
        # What it keeps of patterns is not to be growth.
        for name in OURS:
            fnmatch.fnmatch("", name)
        self._started = not tracemalloc.is_tracing()
        if self._started:
            tracemalloc.start()
        self._before = _snapshot()
        self._types = _types()

    def tell(self):
        """What has grown, as dicts."""
        types = _types()
        try:
            after = _snapshot()
        finally:
            self.stop()
        return {
            "allocations": [
                {
                    "where": _where(it.traceback[0]),
                    "size_diff": it.size_diff,
                    "count_diff": it.count_diff,
                    "size": it.size,
                }
                for it in after.compare_to(self._before, "lineno")
                if it.size_diff > 0
            ][:MOST],
            "types": [
                {"type": name, "before": self._types[name], "after": types[name]}
                for name in sorted(types, key=lambda it: self._types[it] - types[it])
                if types[name] > self._types[name]
            ][:MOST],
        }

    def stop(self):
        """Stops `tracemalloc`, unless somebody else has started it."""
        if self._started:
            self._started = False
            tracemalloc.stop()


def _snapshot():
    gc.collect()
    without = [tracemalloc.Filter(False, name) for name in OURS]
    return tracemalloc.take_snapshot().filter_traces(without)


def _types():
    """How many objects there are of each type. Only those that refer to others are
    known: no numbers and texts."""
    gc.collect()
    counts = collections.Counter(map(type, gc.get_objects()))
    named = collections.Counter()
    for kind, count in counts.items():
        named[_text(f"{kind.__module__}.{kind.__qualname__}")] += count
    return named


def _where(frame):
    return _text(f"{frame.filename}:{frame.lineno}")


def _text(text):
    return text.encode("utf-8", "backslashreplace").decode()
