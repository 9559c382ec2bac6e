"""`importlib.metadata` for packages that are installed in a folder of a zip."""

import contextlib
import os
import pkgutil
import posixpath
from importlib import metadata

from _rgunicorn_zipped import ZipFinder


def find(context):
    """The distributions that match this context."""
    query = metadata.Prepared(context.name)
    for entry in filter(None, context.path):
        finder = pkgutil.get_importer(entry)
        # importlib.metadata itself searches the root of zips.
        if isinstance(finder, ZipFinder) and finder.prefix:
            yield from map(metadata.PathDistribution, _Folder(entry).search(query))


class _Folder(metadata.FastPath):
    """A folder of a zip. Its distributions are cached until it changes."""

    @property
    def _finder(self):
        return pkgutil.get_importer(self.root)

    def children(self):
        return self._finder.names()

    def joinpath(self, child):
        return Path(self._finder, self._finder.prefix + child)

    @property
    def mtime(self):
        with contextlib.suppress(OSError):
            return os.stat(self._finder.archive).st_mtime
        self.lookup.cache_clear()


class Path:
    """A file or folder of a zip, as importlib.metadata needs it (SimplePath).

    The zip is opened for each reading: forked workers would disturb each other in a
    file that stays open.
    """

    def __init__(self, finder, path):
        self._finder = finder
        self._path = path

    @property
    def name(self):
        return posixpath.basename(self._path)

    @property
    def parent(self):
        return Path(self._finder, posixpath.dirname(self._path))

    def joinpath(self, *others):
        return Path(self._finder, posixpath.join(self._path, *others))

    __truediv__ = joinpath

    def exists(self):
        return self.is_file() or self._finder.has(self._path + "/")

    def is_file(self):
        return self._finder.has(self._path)

    def is_dir(self):
        return self._finder.has(self._path + "/")

    def read_bytes(self):
        if not self.is_file():
            raise FileNotFoundError(2, "not in the zip", str(self))
        return self._finder.get_data(str(self))

    def read_text(self, encoding="utf-8"):
        return self.read_bytes().decode(encoding)

    def __str__(self):
        return posixpath.join(self._finder.archive, self._path)

    def __repr__(self):
        return f"Path({str(self)!r})"
