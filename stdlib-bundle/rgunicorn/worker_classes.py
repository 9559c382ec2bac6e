"""Worker classes in Python: finds one by its name, and the built-in worker that serves
for it.

A class derives from one of Gunicorn's, or from one in the modules of `REPLACEMENTS`,
and the built-in worker does the serving. So either the server calls what a class
overrides, or the class is refused.
"""

import importlib
import importlib.abc
import importlib.util
import inspect
import sys

# Modules with worker classes in other packages, and our modules that replace them.
REPLACEMENTS = {
    "aiohttp.worker": "_rgunicorn.aiohttp_worker",
    "uvicorn.workers": "_rgunicorn.uvicorn_worker",
    "uvicorn_worker": "_rgunicorn.uvicorn_worker",
}


class Refused(Exception):
    """A class that cannot serve; the message says why, without a full stop."""


def find(value, folder):
    """The class that `value` is or names, the kind of worker that serves for it, the
    settings that it brings, and sentences about what is not supported. Its module may
    also be in this folder, where the config file is."""
    install_replacements()
    cls = value if inspect.isclass(value) else _imported(value, folder)
    from gunicorn.workers.base import Worker

    if not (inspect.isclass(cls) and issubclass(cls, Worker)):
        raise Refused(
            f"'{_name(value)}' is no class that derives from one of Gunicorn's worker classes"
        )
    if cls._built_in is None:
        raise Refused(
            f"{cls.__qualname__} derives from no worker class that serves, and the run() of a "
            "class of its own is never called here; derive from SyncWorker, ThreadWorker, "
            "GeventWorker, TornadoWorker, ASGIWorker or UvicornWorker"
        )
    _check(cls)
    settings, warnings = cls.brings() if hasattr(cls, "brings") else ([], [])
    return cls, cls._built_in, settings, warnings


def is_ours(cls):
    """Whether the class belongs to the server."""
    return cls is object or cls.__module__.startswith(("gunicorn.", "_rgunicorn."))


def is_overridden(cls, name):
    """Whether a class of the user overrides this name."""
    return any(name in vars(one) for one in cls.__mro__ if not is_ours(one))


def install_replacements():
    """Makes our classes importable under the names in `REPLACEMENTS`."""
    if not any(isinstance(finder, ReplacementFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, ReplacementFinder())


class ReplacementFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the modules in `REPLACEMENTS`."""

    def find_spec(self, name, path=None, target=None):
        if name in REPLACEMENTS:
            return importlib.util.spec_from_loader(name, self)
        return None

    def exec_module(self, module):
        ours = importlib.import_module(REPLACEMENTS[module.__name__])
        names = (name for name in vars(ours) if not name.startswith("__"))
        vars(module).update((name, vars(ours)[name]) for name in names)


def _imported(name, folder):
    module_name, dot, attribute = name.rpartition(".")
    if not dot:
        raise Refused(f"there is no worker class '{name}'")
    sys.path.append(folder)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if module_name == missing or module_name.startswith(f"{missing}."):
            raise Refused(
                f"the module '{missing}' of the worker class '{name}' cannot be found"
            ) from None
        raise
    finally:
        sys.path.remove(folder)
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise Refused(f"the module '{module_name}' has no worker class '{attribute}'") from None


def _check(cls):
    """Refuses a class with a method that would never be called."""
    for one in cls.__mro__:
        if is_ours(one):
            continue
        for name, value in vars(one).items():
            if name in cls.never_called:
                raise Refused(
                    f"{one.__qualname__} overrides {name}, which is never used, as the server "
                    "answers requests itself; do it in the app, or in the hooks pre_request and "
                    "post_request"
                )
            if name == "run" and not _calls_super(value, name):
                raise Refused(
                    f"{one.__qualname__} overrides run() with a loop of its own, which cannot "
                    "serve here; call super().run() in it, or leave it out"
                )


def _calls_super(function, name):
    """Whether a method calls the method that it overrides."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return code is None or name in code.co_names


def _name(value):
    if inspect.isclass(value):
        return f"{value.__module__}.{value.__qualname__}"
    return value
