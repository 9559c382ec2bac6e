"""Samples of the stacks of all threads, for a profile."""

import sys

from _rgunicorn import served

# Functions in which a thread waits for work. A thread that serves no request counts
# only while it does something else.
WAITING = {
    ("threading.py", "wait"),
    ("threading.py", "_wait_for_tstate_lock"),
    ("threading.py", "join"),
    ("selectors.py", "select"),
    ("queue.py", "get"),
    ("thread.py", "_worker"),  # concurrent.futures
    ("hub.py", "run"),  # gevent
    ("socket.py", "accept"),
}


# The folder of this program's own files, and those that look into a worker.
_OWN = served.of_mark.__code__.co_filename.rpartition("/")[0] + "/"
LOOKING = {f"{_OWN}{name}.py" for name in ("memory_growth", "served", "stacks")}


class Profile:
    """With a path, only what serves requests whose path begins with it counts."""

    def __init__(self, path):
        self.path = path
        self.samples = 0
        # How often each stack was seen: a tuple of the ids of code objects, the
        # innermost first.
        self._counts = {}
        # Kept, so that the ids remain theirs.
        self._codes = {}
        self._waits = {}

    def take(self, serving, weight, this, main):
        """Counts the stacks of this moment `weight` times. `serving` has the targets of
        the requests, by the idents of threads that serve one each; `this` is the ident
        of this thread, `main` that of the main thread. Whichever thread
        runs Python code calls it, in the middle of that, so it raises nothing but what
        signal handlers raise meanwhile."""
        try:
            self._take(serving, weight, this, main)
        except Exception as error:
            at = error.__traceback__
            while at.tb_next is not None:
                at = at.tb_next
            if not any(at.tb_frame.f_globals is ours for ours in (globals(), vars(served))):
                raise

    def _take(self, serving, weight, this, main):
        for ident, frame in sys._current_frames().items():
            if ident == this:
                # Down to the code that was interrupted.
                while frame is not None and frame.f_globals is globals():
                    frame = frame.f_back
            if frame is None:
                continue
            target = serving.get(ident)
            if target is None and self.path is not None:
                target = _target(ident, frame, ident == this, main)
            if self.path is not None:
                if target is None or not target.startswith(self.path):
                    continue
            elif target is None and self._is_waiting(frame.f_code):
                continue
            codes = []
            while frame is not None:
                codes.append(frame.f_code)
                frame = frame.f_back
            key = tuple(map(id, codes))
            if key not in self._counts:
                self._codes.update(zip(key, codes))
                # Threads that look into the worker do not count.
                looks = any(code.co_filename in LOOKING for code in codes)
                self._counts[key] = None if looks else 0
            if self._counts[key] is not None:
                self._counts[key] += weight
                self.samples += weight

    def stacks(self):
        """How often each stack was seen: frames with semicolons between them, the
        outermost first. A frame is a function, with its file and first line, so that
        all lines of a function are one frame."""
        names = {id_: _name(code) for id_, code in self._codes.items()}
        told = {}
        for key, count in list(self._counts.items()):
            if count is None:
                continue
            stack = ";".join(names[id_] for id_ in reversed(key))
            told[stack] = told.get(stack, 0) + count
        return told

    def _is_waiting(self, code):
        waits = self._waits.get(id(code))
        if waits is None:
            file = code.co_filename.rpartition("/")
            waits = (file[2], code.co_name) in WAITING or code.co_filename.startswith(_OWN)
            self._waits[id(code)] = waits
            self._codes[id(code)] = code
        return waits


def _target(ident, frame, is_this, main):
    if is_this:
        request = served.of_mark(served.CURRENT.get())
        if request is None and (greenlet := sys.modules.get("greenlet")) is not None:
            request = served.of_greenlet(greenlet.getcurrent())
    else:
        request = _of_other(ident, main)
    request = request or served.of_frames(frame)
    return request and request["target"]


def _of_other(ident, main):
    """The request of a thread that waits outside of Python, if it runs a loop."""
    loops = {id(loop): loop for task in served.tasks() if (loop := task.get_loop())}
    for loop in loops.values():
        if served.thread_of(loop, main) == ident:
            task = served.running_task(loop)
            return task and served.of_task(task)
    return served.of_running_greenlet() if ident == main else None


def _name(code):
    file = code.co_filename
    for folder in sorted(filter(None, map(str, sys.path)), key=len, reverse=True):
        if file.startswith(folder.rstrip("/") + "/"):
            file = file[len(folder.rstrip("/")) + 1 :]
            break
    name = f"{code.co_qualname} ({file}:{code.co_firstlineno})"
    return name.replace(";", ",").encode("utf-8", "backslashreplace").decode()
