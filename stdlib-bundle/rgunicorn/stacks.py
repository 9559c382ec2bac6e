"""What all threads, asyncio tasks and greenlets are doing, as text."""

import gc
import io
import sys
import threading
import traceback


def text():
    out = io.StringIO()
    this = threading.get_ident()
    # Without the lock of `threading.enumerate`, which another thread may hold for ever.
    names = {ident: thread.name for ident, thread in list(threading._active.items())}
    for ident, frame in sys._current_frames().items():
        if ident == this and frame.f_code is text.__code__ and frame.f_back is None:
            continue  # who asks
        print(f"Thread 0x{ident:x} ({names.get(ident, 'not of threading')}), most recent call last:", file=out)
        traceback.print_stack(frame, file=out)
    if "asyncio" in sys.modules:
        tasks(out)
    if "greenlet" in sys.modules:
        greenlets(out)
    return out.getvalue()


def tasks(out):
    """The stack of a task ends at its `await`."""
    asyncio = sys.modules["asyncio"]
    try:
        found = list(asyncio.tasks._scheduled_tasks)
    except (AttributeError, RuntimeError):  # another Python's, or being changed
        return
    for task in found:
        if not task.done():
            task.print_stack(file=out)


def greenlets(out):
    kind = sys.modules["greenlet"]
    for it in gc.get_objects():
        if isinstance(it, kind.greenlet) and it is not kind.getcurrent() and it.gr_frame:
            print(f"{it!r}, most recent call last:", file=out)
            traceback.print_stack(it.gr_frame, file=out)
