"""The base class of apps for dirty workers, which do not exist here."""

import importlib

from gunicorn.dirty.errors import DirtyAppError, DirtyAppNotFoundError


class DirtyApp:
    # The number of workers that load it; None for all.
    workers = None

    def init(self):
        pass

    def close(self):
        pass

    def __call__(self, action, *args, **kwargs):
        method = None if action.startswith("_") else getattr(self, action, None)
        if method is None:
            raise ValueError(f"Unknown action: {action}")
        return method(*args, **kwargs)


def parse_dirty_app_spec(spec):
    """The `module:Class` and the number in `module:Class:NUMBER`."""
    match spec.split(":"):
        case [_, _]:
            return spec, None
        case [module, name, count] if count.isdecimal() and int(count) > 0:
            return f"{module}:{name}", int(count)
    raise DirtyAppError(
        f"{spec!r} is not of the form module:Class or module:Class:NUMBER", app_path=spec
    )


def load_dirty_app(import_path):
    return _class_of(import_path)()


def load_dirty_apps(import_paths):
    return {path: load_dirty_app(path) for path in import_paths}


def get_app_workers_attribute(import_path):
    return getattr(_class_of(import_path), "workers", None)


def _class_of(import_path):
    path, _ = parse_dirty_app_spec(import_path)
    module, _, name = path.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise DirtyAppNotFoundError(import_path) from error
    if not isinstance(found, type):
        raise DirtyAppError(f"{import_path} is not a class", app_path=import_path)
    return found
