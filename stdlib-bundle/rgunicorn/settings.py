"""Settings that name something to import."""

import importlib
import inspect


class Unusable(Exception):
    """Says in one sentence what is wrong with a setting."""


def load_class(setting, named):
    """The class that a setting is or names."""
    if not isinstance(named, str):
        return named
    module, _, name = named.rpartition(".")
    try:
        if not module:
            raise ValueError("write it as module.Class")
        found = getattr(importlib.import_module(module), name)
        if not inspect.isclass(found):
            raise TypeError(f"{name} is no class")
        return found
    except Exception as error:
        if error.__traceback__.tb_next is not None and not isinstance(error, ImportError):
            raise
        reason = str(error).rstrip(".")
        raise Unusable(
            f"Invalid value for {setting}: {named!r} cannot be used: {reason}."
        ) from None
