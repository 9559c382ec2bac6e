"""The pip in the executable, for `python -m pip` if no other is installed."""

import os
import sys
from importlib.machinery import PathFinder

import _rgunicorn_bundle


def place():
    """Its entry in `sys.path`: a folder, or a file in memory if nothing can be
    written."""
    place = _rgunicorn_bundle.pip()
    if isinstance(place, str):
        # The folder is ours, and without compiled modules pip would take twice as long.
        sys.dont_write_bytecode = False
        return place
    memory = os.memfd_create("pip")
    with open(memory, "wb", closefd=False) as file:
        file.write(place)
    return f"/proc/self/fd/{memory}"


def find_spec():
    """The spec of the package `pip`."""
    spec = PathFinder.find_spec("pip", [place()])
    spec.loader = _Loader(spec.loader)
    return spec


class _Loader:
    """Loads it with another loader, and makes it ask us where it may install."""

    def __init__(self, loader):
        self._loader = loader

    def __getattr__(self, name):
        return getattr(self._loader, name)

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        self._loader.exec_module(module)
        from pip._internal.utils import misc

        misc.check_externally_managed = _check_place


def _check_place():
    """pip calls this before it changes what is installed for this Python."""
    if sys.prefix == sys.base_prefix:
        from pip._internal.exceptions import InstallationError

        raise InstallationError(
            "This Python is one file, and nothing can be installed into it: make a virtual "
            "environment with `rgunicorn python -m venv DIR` and use its bin/python, or "
            "choose a folder with `--target DIR`."
        )
