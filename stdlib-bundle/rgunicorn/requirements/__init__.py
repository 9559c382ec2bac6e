"""From a project's lock file, or its `pyproject.toml`, to requirements of pip."""

import sys

from _rgunicorn import pip

# For what it brings: markers, versions, and what wheels are for.
sys.path.append(pip.place())
