"""Imports from a zip, native modules included.

zipimport finds only Python modules. Here a zip's extension modules are found, too;
ld.so reads them from the zip (see src/python/native_modules.rs). So are namespace
packages whose folders have no entries of their own, which many tools omit (zipimport
supports them since Python 3.14). Names are read as in the rest of the program (see
src/python/zip_names.rs).
"""

import _imp
import marshal
import sys
import zipimport

import _frozen_importlib_external as _external
import _rgunicorn_bundle as _bundle


class ZipFinder(zipimport.zipimporter):
    """A zipimporter that also finds extension modules.

    As in a folder, a package is preferred to an extension module of the same name, and
    that to a Python module.
    """

    def __init__(self, path):
        super().__init__(path)
        self._absolute = _external._path_abspath(self.archive)
        _bundle.serve_zip(self._path())
        if self.prefix and Distributions not in sys.meta_path:
            sys.meta_path.append(Distributions)

    def _path(self):
        return self._absolute.encode("utf-8", "surrogateescape")

    def find_spec(self, fullname, target=None):
        spec = super().find_spec(fullname, target)
        if spec is not None and spec.loader is not None and spec.submodule_search_locations is not None:
            return spec
        return self._extension_spec(fullname) or spec

    def get_code(self, fullname):
        return self._compiled(fullname) or super().get_code(fullname)

    def get_resource_reader(self, fullname):
        from _rgunicorn.zip_resources import Reader

        return Reader(self, fullname)

    def names(self):
        """The names in this folder."""
        start = len(self.prefix)
        below = (path[start:] for path in self._get_files() if path.startswith(self.prefix))
        return list(dict.fromkeys(path.partition("/")[0] for path in below if path))

    def has(self, path):
        """Whether this is in the zip. Folders end with a slash."""
        return path in self._get_files()

    def _get_files(self):
        files = super()._get_files()
        if files and not isinstance(files, _WithFolders):
            files = _WithFolders(self._with_right_names(files))
            zipimport._zip_directory_cache[self.archive] = files
        return files

    def _with_right_names(self, files):
        names = _bundle.zip_names(self._path()) or ()
        if len(names) != len(files):
            return files
        prefix = self.archive + "/"
        return {name: (prefix + name, *entry[1:]) for name, entry in zip(names, files.values())}

    def _compiled(self, fullname):
        """The code of a module that was compiled when the zip was packed. It is in
        `__pycache__`, where zipimport does not look. Only code that need not be
        compared with its source (PEP 552) is used."""
        files = self._get_files()
        stem = self.prefix + fullname.rpartition(".")[2]
        for source in (stem + "/__init__.py", stem + ".py"):
            if source not in files:
                continue
            entry = files.get(_external.cache_from_source(source))
            data = entry and zipimport._get_data(self.archive, entry)
            if not data or data[:8] != _external.MAGIC_NUMBER + b"\1\0\0\0":
                return None
            code = marshal.loads(memoryview(data)[16:])
            _imp._fix_co_filename(code, f"{self.archive}/{source}")
            return code
        return None

    def _extension_spec(self, fullname):
        stem = self.prefix + fullname.rpartition(".")[2]
        for suffix in _imp.extension_suffixes():
            if stem + suffix in self._get_files():
                location = f"{self._absolute}/{stem}{suffix}"
                loader = _external.ExtensionFileLoader(fullname, location)
                return _external.spec_from_file_location(fullname, location, loader=loader)
        return None


class Distributions:
    """A finder without modules. importlib.metadata and similar code ask it for
    installed packages: they themselves search only the root of zips."""

    @staticmethod
    def find_spec(fullname, path=None, target=None):
        return None

    @staticmethod
    def find_distributions(context):
        from _rgunicorn import zip_metadata

        return zip_metadata.find(context)


def reader(path):
    """A function that returns the bytes of a file in one of the zips on `sys.path`;
    None if there is no such file."""
    for archive, files in list(zipimport._zip_directory_cache.items()):
        if path.startswith(archive + "/"):
            entry = files.get(path[len(archive) + 1:])
            return entry and (lambda: zipimport._get_data(archive, entry))
    return None


class _WithFolders(dict):
    """The directory of a zip with all folders, by their names with a slash."""

    def __init__(self, files):
        super().__init__(files)
        for name in files:
            folder = name.rstrip("/").rpartition("/")[0]
            while folder and folder + "/" not in self:
                self[folder + "/"] = None
                folder = folder.rpartition("/")[0]
