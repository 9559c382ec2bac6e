"""The site's own files, wherever it was imported from."""

from functools import cache
from importlib.resources import files


@cache
def read(name):
    """The bytes of a file beside this module; from a folder or a zip alike."""
    return files(__package__).joinpath(name).read_bytes()
