"""The `site-packages` folders that were chosen before the start."""

import os
import site
import sys
import time

import _rgunicorn_bundle
from _frozen_importlib_external import PathFinder


def add(known_paths):
    """Add them to `sys.path`, and run their `.pth` files.

    What the executable brings for hosts that lack it stays last, so that packages in
    these folders win.
    """
    fallback = sys.path.pop()
    for folder in _rgunicorn_bundle.site_dirs():
        known_paths = site.addsitedir(folder, known_paths)
    sys.path.append(fallback)
    return known_paths


def customize(execute, folders=()):
    """Make `execute` import `sitecustomize` if the virtual environment has one, or a
    folder in PYTHONPATH if that is read. One among the app's modules is not run."""
    folders = [*folders] or _rgunicorn_bundle.customizing()
    if not sys.flags.ignore_environment:
        folders += filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    if sys.prefix != sys.base_prefix:
        own = sys.prefix + "/"
        folders += (folder for folder in _rgunicorn_bundle.site_dirs() if folder.startswith(own))
    spec = PathFinder.find_spec("sitecustomize", folders)
    if spec is not None:
        finder = _Only(spec)
        sys.meta_path.insert(0, finder)
        try:
            execute()
        finally:
            sys.meta_path.remove(finder)


class _Only:
    """Finds one module."""

    def __init__(self, spec):
        self._spec = spec

    def find_spec(self, fullname, path=None, target=None):
        return self._spec if fullname == self._spec.name else None


def set_executable(executable):
    """Change `sys.executable` to another path."""
    sys.executable = sys.orig_argv[0] = executable
    if "multiprocessing.spawn" in sys.modules:
        sys.modules["multiprocessing.spawn"].set_executable(executable)


def renew(executable, argv, import_path, folders, customizing, venv, variables):
    """Give a running interpreter what it was not started with."""
    if argv:
        sys.argv[:] = map(str, argv)
        sys.orig_argv[1:] = ["-m", "gunicorn", *sys.argv[1:]]
    set_executable(executable)
    path = [str(folder) for folder in import_path]
    sys.path[:] = path + [entry for entry in sys.path if entry not in path]
    new = [str(folder) for folder in folders if str(folder) not in sys.path]
    if new:
        fallback = sys.path.pop()
        for folder in new:
            site.addsitedir(folder)
        sys.path.append(fallback)
    is_new = venv is not None and sys.prefix == sys.base_prefix
    if is_new:
        sys.prefix = sys.exec_prefix = str(venv)
    zone = os.environb.get(b"TZ")
    variables = {bytes(name): bytes(value) for name, value in variables.items()}
    for name in os.environb.keys() - variables.keys():
        del os.environb[name]
    for name, value in variables.items():
        if os.environb.get(name) != value:
            os.environb[name] = value
    if os.environb.get(b"TZ") != zone:
        time.tzset()
    customizing = [str(folder) for folder in customizing]
    if is_new or customizing and "sitecustomize" not in sys.modules:
        customize(site.execsitecustomize, customizing)
