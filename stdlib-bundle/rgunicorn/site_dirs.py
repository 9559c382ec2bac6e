"""The `site-packages` folders that were chosen before the start."""

import os
import site
import sys

import _rgunicorn_bundle


def add(known_paths):
    """Add them to `sys.path`, obeying their `.pth` files.

    What the executable brings for hosts that lack it stays last, so that what
    is installed in these folders wins.
    """
    fallback = sys.path.pop()
    for folder in _rgunicorn_bundle.site_dirs():
        known_paths = site.addsitedir(folder, known_paths)
    sys.path.append(fallback)
    return known_paths


def renew(argv, import_path, folders, venv, variables):
    """Give an interpreter that runs already what it was not started with."""
    if argv:
        sys.argv[:] = map(str, argv)
    path = [str(folder) for folder in import_path]
    sys.path[:] = path + [entry for entry in sys.path if entry not in path]
    new = [str(folder) for folder in folders if str(folder) not in sys.path]
    if new:
        fallback = sys.path.pop()
        for folder in new:
            site.addsitedir(folder)
        sys.path.append(fallback)
    if venv is not None:
        sys.prefix = sys.exec_prefix = str(venv)
    variables = {bytes(name): bytes(value) for name, value in variables.items()}
    for name in os.environb.keys() - variables.keys():
        del os.environb[name]
    for name, value in variables.items():
        if os.environb.get(name) != value:
            os.environb[name] = value
