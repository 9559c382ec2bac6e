"""Which request a thread, an asyncio task or a greenlet serves.

Who serves a request holds a mark of it, an object made in Rust with a method
`request()`: a dict with `method`, `target`, `id` and `age` in seconds, or None once the
request has ended.
"""

import contextvars
import functools
import gc
import sys

# The mark of the request whose task is made next. Tasks copy the context that they are
# made in, so that the tasks of a task have its mark, too. Set in Rust.
CURRENT = contextvars.ContextVar("rgunicorn_request", default=None)

# How many greenlets are asked for the one that has started them.
MOST_PARENTS = 16


def of_mark(mark):
    return None if mark is None else mark.request()


def of_context(context):
    return of_mark(context.get(CURRENT))


def of_task(task):
    get_context = getattr(task, "get_context", None)
    return None if get_context is None else of_context(get_context())


def of_greenlet(greenlet):
    """The request of a greenlet, or of the one that has started it."""
    for _ in range(MOST_PARENTS):
        run = getattr(greenlet, "_run", None)
        if type(run).__module__ == "rgunicorn":
            return of_mark(run)
        parent = getattr(greenlet, "spawning_greenlet", None)
        greenlet = None if parent is None else parent()
        if greenlet is None:
            return None
    return None


def of_frames(frame):
    """The request of a thread that runs a function for a task in a copy of the task's
    context: `asyncio.to_thread`, and the thread pools of anyio and asgiref. `frame` is
    the innermost one."""
    inner = None
    while frame is not None:
        if inner is None or inner.f_code.co_name != "get":  # waits for work
            for value in tuple(frame.f_locals.values()):
                request = _of_value(value)
                if request is not None:
                    return request
        inner, frame = frame, frame.f_back
    return None


def _of_value(value):
    if type(value).__name__ == "_WorkItem":  # of concurrent.futures
        value = getattr(value, "fn", None) or getattr(value, "task", (None,))[0]
    if type(value) is functools.partial:
        value = value.func
    if type(value) is not contextvars.Context:
        value = getattr(value, "__self__", None) if type(value) is _METHOD else None
    return of_context(value) if type(value) is contextvars.Context else None


_METHOD = type(contextvars.copy_context().run)


def tasks():
    """The asyncio tasks that have not ended, of all loops."""
    asyncio = sys.modules.get("asyncio.tasks")
    if asyncio is None:
        return []
    found = {}
    for name in ("_scheduled_tasks", "_eager_tasks"):
        try:
            found.update((id(task), task) for task in list(getattr(asyncio, name)))
        except (AttributeError, RuntimeError):  # another Python's, or being changed
            found.clear()
            break
    if not found:
        every = gc.get_objects()
        found = {id(it): it for it in every if isinstance(it, asyncio.Task)}
    return [task for task in found.values() if not task.done()]


def running_task(loop):
    """The task that runs now, if the loop is in the middle of one."""
    return sys.modules["asyncio.tasks"].current_task(loop)


def thread_of(loop, main):
    """The ident of the thread that runs a loop. Other loops than asyncio's own do not
    tell it: then it is the main thread, which runs the worker's loop."""
    return getattr(loop, "_thread_id", None) or main


def greenlets():
    """The greenlets that have started and not ended, and the one of each thread that
    runs now. The second kind has no frame of its own."""
    module = sys.modules.get("greenlet")
    if module is None:
        return []
    return [it for it in gc.get_objects() if isinstance(it, module.greenlet) and it]


def of_running_greenlet():
    """The request of the greenlet that runs now."""
    for it in greenlets():
        if it.gr_frame is None and (request := of_greenlet(it)) is not None:
            return request
    return None


def is_hub(greenlet):
    hub = sys.modules.get("gevent.hub")
    return hub is not None and isinstance(greenlet, hub.Hub)
