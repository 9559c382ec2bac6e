"""The config file of a server that a script has started; see `embedded`."""

import contextlib
import importlib.machinery
import importlib.util
import io
import json
import os
import sys
import types

from _rgunicorn import embedded


def _settings():
    """The settings that the script has set when it calls `run`. At a reload, those that
    its application sets again."""
    # Processes that the app starts do not belong to this server.
    told = json.loads(os.environ.pop(embedded.VARIABLE))
    if told["arguments"] is not None:
        os.environ[embedded.ARGUMENTS] = told["arguments"]
    folder = os.getcwd()
    embedded.argv = sys.argv[:] = told["argv"]
    if embedded.captured is None:
        _capture(told)
        embedded.place = os.getcwd()
    else:
        os.chdir(embedded.place)
        embedded.captured.reload()
    cfg = embedded.captured.cfg
    given = {one.name: one.given for one in cfg.settings.values() if hasattr(one, "given")}
    # Else the server would use the name of the place where it found the app.
    given["proc_name"] = cfg.proc_name
    # The app runs in the folder that the script has changed to.
    if os.getcwd() != folder:
        given["chdir"] = os.getcwd()
        os.chdir(folder)
    return given


def _capture(told):
    """Runs the script until it calls `run`."""
    sys.path[:] = told["path"] + [entry for entry in sys.path if entry not in told["path"]]
    embedded.serving = True
    try:
        with _silence():
            _run(told)
    except BaseException:
        # The script may have caught our exception and raised another.
        if embedded.captured is None:
            raise
    if embedded.captured is None:
        raise RuntimeError(f"{told['argv'][0]} has not called run()")


@contextlib.contextmanager
def _silence():
    """Discards the output of the script, which it has already printed in its first
    run."""
    try:
        kept = os.dup(1)
    except OSError:
        yield
        return
    _redirect_output(os.open(os.devnull, os.O_WRONLY))
    try:
        yield
    finally:
        _redirect_output(kept)


def _redirect_output(fd):
    """Redirects standard output, permanently."""
    for stream in {sys.stdout, sys.__stdout__} - {None}:
        stream.flush()
    os.dup2(fd, 1)
    os.close(fd)


def _run(told):
    """Runs it as `__main__`. It stays `__main__`, as the app may be defined in it, and
    pickled objects refer to it."""
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    if "file" in told:
        main.__file__ = told["file"]
        with io.open_code(told["file"]) as file:
            code = compile(file.read(), told["file"], "exec", dont_inherit=True)
    else:
        name = told["module"]
        if "in" in told:
            spec = importlib.machinery.PathFinder.find_spec(name, told["in"])
        else:
            spec = importlib.util.find_spec(name)
        main.__spec__, main.__loader__ = spec, spec.loader
        main.__file__, main.__package__ = spec.origin, spec.parent
        code = spec.loader.get_code(name)
    exec(code, vars(main))


globals().update(_settings())
