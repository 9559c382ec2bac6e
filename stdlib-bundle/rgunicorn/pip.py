"""The pip that the executable carries, for `python -m pip` where none is installed."""

import os
import sys
from importlib.machinery import PathFinder, SourceFileLoader

import _rgunicorn_bundle


def find_spec():
    """The spec of the package `pip`."""
    place = _rgunicorn_bundle.pip()
    if isinstance(place, str):
        spec = PathFinder.find_spec("pip", [place])
        spec.loader = _Loader("pip", spec.origin)
        return spec
    # Nothing can be written: import it from a file in memory.
    memory = os.memfd_create("pip")
    with open(memory, "wb", closefd=False) as file:
        file.write(place)
    return PathFinder.find_spec("pip", [f"/proc/self/fd/{memory}"])


class _Loader(SourceFileLoader):
    def exec_module(self, module):
        super().exec_module(module)
        from pip._internal.utils import misc

        misc.check_externally_managed = _check_place


def _check_place():
    """What pip asks before it changes what is installed for this Python."""
    if sys.prefix == sys.base_prefix:
        from pip._internal.exceptions import InstallationError

        raise InstallationError(
            "This Python is one file, and nothing can be installed into it: make a virtual "
            "environment with `rgunicorn python -m venv DIR` and use its bin/python, or "
            "choose a folder with `--target DIR`."
        )
