"""Runs a config file, and checks what it defines."""

import importlib
import inspect
import os
import sys
import types

from _rgunicorn import worker_classes

MODULE = "__config__"


def run(path):
    """The names in the Python file at `path` after it was run.

    As in Gunicorn, it runs as the module `__config__`, so that what it defines can be
    pickled and found.
    """
    with open(path, "rb") as file:
        return run_text(file.read(), path)


def run_text(text, path):
    """As `run`, for a file with the content `text`."""
    worker_classes.install_replacements()
    module = types.ModuleType(MODULE)
    module.__file__ = path
    sys.modules[MODULE] = module
    exec(compile(text, path, "exec", dont_inherit=True), vars(module))
    return vars(module)


def run_module(name):
    """The names in a module, which is imported again."""
    worker_classes.install_replacements()
    sys.modules.pop(name, None)
    return vars(importlib.import_module(name))


def resolved(value):
    """A class, or the class that a function returns; any other value unchanged."""
    if inspect.isfunction(value) or inspect.ismethod(value):
        value = value()
    return value


def hook(value, arguments):
    """The function that `value` is or names, if it can be called with `arguments`."""
    if isinstance(value, str):
        value = imported(value)
    if not callable(value):
        raise TypeError(f"{value!r} is not a function")
    count = _arity(value)
    if arguments[-1:] == ["resp"]:
        return _post_request(value, count)
    if count is not None and count != len(arguments):
        raise TypeError(
            f"{name_of(value)} takes {count} arguments and would be given "
            f"{len(arguments)}: {', '.join(arguments)}"
        )
    return value


def name_of(value):
    """The name of a function or class in messages."""
    name = getattr(value, "__qualname__", None) or repr(value)
    if inspect.isclass(value):
        return f"{value.__module__}.{name}"
    return f"{name}()" if callable(value) else str(value)


def imported(dotted):
    """The object that a dotted name refers to."""
    module, dot, name = dotted.rpartition(".")
    if not dot:
        raise TypeError(f"{dotted!r} is not of the form module.function")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise TypeError(f"{dotted!r} cannot be imported: {error}") from None


def is_helper(name, value):
    """Whether a name that is not a setting is clearly not meant to be one."""
    return (
        name.startswith("_")
        or name != name.lower()
        or callable(value)
        or inspect.ismodule(value)
    )


def _post_request(value, count):
    if count in (None, 4):
        return value
    if count == 3:
        return lambda worker, req, environ, resp: value(worker, req, environ)
    if count == 2:
        return lambda worker, req, environ, resp: value(worker, req)
    raise TypeError(f"{name_of(value)} takes {count} arguments and would be given 4, 3 or 2")


def _arity(function):
    """The number of required arguments; None if any number is accepted."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(one.kind == one.VAR_POSITIONAL for one in parameters):
        return None
    by_place = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(one.kind in by_place for one in parameters)
