"""Imports from a zip, native modules included.

zipimport finds Python modules only. Here a zip's extension modules are found
too; ld.so reads them out of the zip (see src/python/native_modules.rs). So are
namespace packages whose folders have no entries of their own, as many tools
write none (zipimport knows them from Python 3.14 on). And names are read as the
rest of the program reads them (see src/python/zip_names.rs).
"""

import _imp
import zipimport

import _frozen_importlib_external as _external
import _rgunicorn_bundle as _bundle


class ZipFinder(zipimport.zipimporter):
    """A zipimporter that knows extension modules.

    As in a folder, a package goes before an extension module of the same name,
    and that before a Python module.
    """

    def __init__(self, path):
        super().__init__(path)
        self._absolute = _external._path_abspath(self.archive)
        _bundle.serve_zip(self._path())

    def _path(self):
        return self._absolute.encode("utf-8", "surrogateescape")

    def find_spec(self, fullname, target=None):
        spec = super().find_spec(fullname, target)
        if spec is not None and spec.loader is not None and spec.submodule_search_locations is not None:
            return spec
        return self._extension_spec(fullname) or spec

    def get_resource_reader(self, fullname):
        from _rgunicorn.zip_resources import Reader

        return Reader(self, fullname)

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

    def _extension_spec(self, fullname):
        stem = self.prefix + fullname.rpartition(".")[2]
        for suffix in _imp.extension_suffixes():
            if stem + suffix in self._get_files():
                location = f"{self._absolute}/{stem}{suffix}"
                loader = _external.ExtensionFileLoader(fullname, location)
                return _external.spec_from_file_location(fullname, location, loader=loader)
        return None


class _WithFolders(dict):
    """A zip's directory that has every folder, by its name with a slash."""

    def __init__(self, files):
        super().__init__(files)
        for name in files:
            folder = name.rstrip("/").rpartition("/")[0]
            while folder and folder + "/" not in self:
                self[folder + "/"] = None
                folder = folder.rpartition("/")[0]
