"""The worker's signals, as the app sees them.

`signal.getsignal` returns a function for them that does what the worker does, so that
an app can chain its handler. A handler that the app sets is called, and the worker
still receives the signal.
"""

import _signal

# Signals that do not end a process. A process that ignores SIGCHLD cannot wait for its
# children.
HARMLESS = (_signal.SIGCHLD, _signal.SIGCONT, _signal.SIGURG, _signal.SIGWINCH)

# Called for every signal whose handler changes, with whether only the worker handles it
# now.
keep = None

# The worker's own signals, and what it does when one arrives.
ours = ()
act = None


class Handler:
    """A handler of the app's."""

    def __init__(self, handler):
        self.handler = handler

    def __call__(self, signalnum, frame):
        try:
            return self.handler(signalnum, frame)
        except (SystemExit, KeyboardInterrupt):
            if signalnum not in ours:
                raise
            # The exception would arrive anywhere in the main thread. Instead the worker
            # stops in good order.
            act(_signal.SIGTERM)
        except Exception as error:
            error.of_signal_handler = True
            raise


def is_of_handler(error):
    """Whether a signal handler of the app has raised this exception."""
    return getattr(error, "of_signal_handler", False)


def told(error):
    """The text for the log about such an exception."""
    import traceback

    text = "".join(traceback.format_exception(error))
    return f"Exception in a signal handler of the app\n{text}".rstrip()


def show(numbers, act_, keep_):
    """Makes `act` appear as the handler of the signals with these `numbers`."""
    global ours, act, keep
    if keep is not None:
        return  # by the master, before it has forked this worker
    ours, act, keep = numbers, act_, keep_
    get_handler, set_handler = _signal.getsignal, _signal.signal

    def bare(handler):
        return handler.handler if isinstance(handler, Handler) else handler

    @_like(get_handler)
    def getsignal(signalnum, /):
        return bare(get_handler(signalnum))

    @_like(set_handler)
    def signal(signalnum, handler, /):
        is_apps = callable(handler) and handler is not act
        before = set_handler(signalnum, Handler(handler) if is_apps else handler)
        keep(signalnum, handler is act)
        return bare(before)

    _signal.getsignal, _signal.signal = getsignal, signal
    for number in ours:
        # The worker receives also signals that the shell has set to be ignored.
        if not callable(getsignal(number)):
            signal(number, act)


def _like(wrapped):
    """As `functools.wraps`, which takes a quarter of the interpreter's start to import."""

    def name(function):
        function.__module__, function.__doc__ = wrapped.__module__, wrapped.__doc__
        function.__name__, function.__qualname__ = wrapped.__name__, wrapped.__qualname__
        function.__wrapped__ = wrapped
        return function

    return name


def hide():
    """The interpreter is about to end. It would reset the signals that it has handlers
    for, also for timers of the app, so that they end the process."""
    for number in _signal.valid_signals():
        if number in ours or callable(_signal.getsignal(number)) and number not in HARMLESS:
            _signal.signal(number, _signal.SIG_IGN)
