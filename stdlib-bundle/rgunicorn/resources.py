"""`importlib.resources` for packages of the bundle."""

import contextlib
import io
import os
import tempfile
from importlib.resources import as_file
from importlib.resources.abc import Traversable, TraversableResources

import _rgunicorn_bundle as _bundle


class Reader(TraversableResources):
    """The resources of the package in `folder`."""

    def __init__(self, folder):
        self._folder = folder

    def files(self):
        return Path(self._folder)


class Path(Traversable):
    """A file or folder of the bundle."""

    def __init__(self, path):
        self._path = path

    @property
    def name(self):
        return self._path.rpartition("/")[2]

    def iterdir(self):
        return (Path(f"{self._path}/{name}") for name in _bundle.names(self._path))

    def is_dir(self):
        return _bundle.is_folder(self._path)

    def is_file(self):
        return _bundle.data(self._path) is not None

    def joinpath(self, *descendants):
        parts = [self._path]
        for descendant in descendants:
            parts += [part for part in str(descendant).split("/") if part not in ("", ".")]
        return Path("/".join(parts))

    __truediv__ = joinpath

    def read_bytes(self):
        data = _bundle.data(self._path)
        if data is None:
            raise FileNotFoundError(2, "not in the bundle", self._path)
        return data

    def read_text(self, encoding=None, errors=None):
        with self.open("r", encoding=encoding, errors=errors) as file:
            return file.read()

    def open(self, mode="r", encoding=None, errors=None, newline=None):
        file = io.BytesIO(self.read_bytes())
        if "b" in mode:
            return file
        return io.TextIOWrapper(file, encoding, errors, newline)

    def __repr__(self):
        return f"Path({self._path!r})"


@as_file.register(Path)
@contextlib.contextmanager
def _(path):
    """A copy on the disk with its own name, which users of wheels need."""
    import pathlib

    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder, path.name)
        _copy(path, copy)
        yield copy


def _copy(path, place):
    if path.is_dir():
        os.mkdir(place)
        for child in path.iterdir():
            _copy(child, place / child.name)
    else:
        place.write_bytes(path.read_bytes())
