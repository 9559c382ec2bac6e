"""What all threads, asyncio tasks and greenlets are doing, and for which requests."""

import gc
import linecache
import sys
import threading

from _rgunicorn import served

# Of a longer stack, the outermost and the innermost frames are shown.
OUTERMOST, INNERMOST = 60, 140

# Objects of CPython between a coroutine and what it waits for, without an attribute for
# it: `await` of a future, a step of an asynchronous generator, and `__await__`.
BETWEEN = {
    "FutureIter",
    "anext_awaitable",
    "async_generator_asend",
    "async_generator_athrow",
    "coroutine_wrapper",
}

# The attributes of coroutines, generators and asynchronous generators: the frame, and
# what it waits for.
STEPS = [("cr_frame", "cr_await"), ("gi_frame", "gi_yieldfrom"), ("ag_frame", "ag_await")]


def collect(requests, main):
    """The stacks as dicts and lists, those that serve the oldest requests first.
    `requests` are those of threads that serve one each, by the threads' idents, and
    `main` is the ident of the main thread. `threading` does not know these idents if
    gevent has patched it."""
    tasks = served.tasks()
    loops = {id(loop): loop for task in tasks if (loop := _loop(task)) is not None}
    running = {}
    for loop in loops.values():
        task = served.running_task(loop)
        if task is not None:
            running[served.thread_of(loop, main)] = task
    greenlets = served.greenlets()
    names = {ident: thread.name for ident, thread in _threads().items()}
    threads, chains = [], {}
    for ident, frame in sys._current_frames().items():
        frame = _without_own(frame)
        if frame is None:
            continue
        chain = chains[ident] = _outward(frame)
        request = requests.get(ident)
        if request is None and ident in running:
            request = served.of_task(running[ident])
        if request is None and greenlets and ident == main:
            request = served.of_running_greenlet()
        if request is None:
            request = served.of_frames(frame)
        name = names.get(ident, "MainThread" if ident == main else "not of threading")
        thread = {"id": ident, "name": _text(name), "request": request, "frames": _told(chain)}
        threads.append(thread)
    return {
        "threads": sorted(threads, key=_order),
        "tasks": sorted((_task(it, running, chains) for it in tasks), key=_order),
        "greenlets": sorted(
            (_greenlet(it, names) for it in greenlets if it.gr_frame is not None), key=_order
        ),
    }


def _order(stack):
    request = stack["request"]
    return (0, -request["age"]) if request else (1, stack["name"])


def _threads():
    # Without the lock of `threading.enumerate`, which another thread may hold for ever.
    return dict(threading._active)


def _loop(task):
    try:
        return task.get_loop()
    except (AttributeError, RuntimeError):  # no task of asyncio's
        return None


def _without_own(frame):
    """The innermost frame that is not of this module."""
    while frame is not None and frame.f_globals is globals():
        frame = frame.f_back
    return frame


def _outward(frame):
    """The frames from the innermost to the outermost one, as (frame, line)."""
    chain = []
    while frame is not None:
        chain.append((frame, frame.f_lineno))
        frame = frame.f_back
    return chain


def _told(chain):
    """The frames as dicts, the outermost first."""
    chain = chain[::-1]
    if len(chain) > OUTERMOST + INNERMOST:
        left_out = len(chain) - OUTERMOST - INNERMOST
        between = {"file": "", "line": 0, "function": f"({left_out} more)", "source": None}
        outer, inner = chain[:OUTERMOST], chain[-INNERMOST:]
        return [*map(_frame, outer), between, *map(_frame, inner)]
    return [*map(_frame, chain)]


def _frame(at):
    frame, line = at
    code = frame.f_code
    linecache.lazycache(code.co_filename, frame.f_globals)
    source = linecache.getline(code.co_filename, line or 0).strip()
    return {
        "file": _text(code.co_filename),
        "line": line or 0,
        "function": _text(code.co_qualname),
        "source": _text(source) or None,
    }


def _task(task, running, chains):
    chain, end = _awaited(task.get_coro())
    thread = next((ident for ident, it in running.items() if it is task), None)
    if thread is not None:
        # The frames of a coroutine that runs are in its thread's stack.
        whole = chains.get(thread, [])
        first = chain[0][0] if chain else None
        begin = next((place for place, (frame, _) in enumerate(whole) if frame is first), None)
        frames = _told(whole if begin is None else whole[: begin + 1])
        awaiting = None
    else:
        frames = _told(chain[::-1])
        awaiting = _awaiting(chain, end)
    return {
        "name": _text(task.get_name()),
        "request": served.of_task(task),
        "awaiting": awaiting,
        "frames": frames,
    }


def _awaited(it):
    """The frames of the coroutines in which a task waits, the outermost first, and what
    the innermost one waits for."""
    chain = []
    while it is not None:
        for frame_of, next_of in STEPS:
            if hasattr(it, frame_of):
                break
        else:
            if type(it).__name__ not in BETWEEN:
                return chain, it
            inner = next(filter(_leads_on, gc.get_referents(it)), None)
            if inner is None:
                return chain, it
            it = inner
            continue
        frame = getattr(it, frame_of)
        if frame is not None:
            chain.append((frame, frame.f_lineno))
        it = getattr(it, next_of)
    return chain, it


def _leads_on(it):
    is_future = hasattr(type(it), "_asyncio_future_blocking")
    is_step = any(hasattr(type(it), frame_of) for frame_of, _ in STEPS)
    return is_future or is_step or type(it).__name__ in BETWEEN


def _awaiting(chain, end):
    """Where a task waits, and what for."""
    place = _text(chain[-1][0].f_code.co_qualname) if chain else "no coroutine"
    if end is None:
        return f"{place}: its next turn of the loop"
    return f"{place}: {_described(end)}"


def _described(end):
    if hasattr(type(end), "get_coro"):
        return f"the task {_text(end.get_name())!r}"
    children = getattr(end, "_children", None)
    if children:
        return ", ".join(_described(child) for child in list(children)[:8])
    if type(end).__module__ == "rgunicorn":
        return _text(repr(end))
    done = getattr(end, "done", None)
    if callable(done) and done():
        return f"its next turn of the loop: the {type(end).__name__} is done"
    return f"a {type(end).__name__}"


def _greenlet(it, names):
    frame = it.gr_frame
    chain = _outward(frame)
    awaiting = "hub" if served.is_hub(it) else chain[0][0].f_code.co_qualname
    for frame, _ in chain:
        if frame.f_globals.get("__name__", "").partition(".")[0] not in ("gevent", "greenlet"):
            break
        awaiting = frame.f_code.co_qualname
    # That of a thread that gevent has made a greenlet, or of a greenlet of gevent's.
    name = names.get(id(it)) or getattr(it, "name", None)
    return {
        "name": _text(name if isinstance(name, str) and name else type(it).__name__),
        "request": served.of_greenlet(it),
        "awaiting": _text(awaiting),
        "frames": _told(chain),
    }


def _text(text):
    """Text that is valid UTF-8."""
    return str(text).encode("utf-8", "backslashreplace").decode()
