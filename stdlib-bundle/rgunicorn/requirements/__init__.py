"""Turns a project's lock file or its `pyproject.toml` into requirements for pip."""

import sys

from _rgunicorn import pip

# For the packages in it: markers, versions, and tags of wheels.
sys.path.append(pip.place())
