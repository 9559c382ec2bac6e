"""Imports from the bundle: a hook for `sys.path` entries below the executable.

The bundle's files appear to be in folders below the executable file, where no real file
can be: `/opt/rgunicorn/lib/python3.13/json/__init__.py`. Everything else is left to
Python's own PathFinder, so that modules, packages, resources and tracebacks look like
those of an ordinary installation.
"""

import _imp
import _io
import posix
import sys
import time

import _frozen_importlib as _bootstrap
import _frozen_importlib_external as _external
import _rgunicorn_bundle as _bundle
import _rgunicorn_zipped as _zipped
import zipimport

_tzset = time.tzset
_ROOT = sys._stdlib_dir.rsplit("/lib/", 1)[0] + "/"


def install():
    """Handle paths below the executable, before zipimport sees them."""
    sys.path_hooks.remove(zipimport.zipimporter)
    sys.path_hooks[:0] = BundleFinder, _zipped.ZipFinder
    if _bundle.serves():
        sys.meta_path.insert(0, OwnGunicorn)
    else:
        sys.meta_path.append(CarriedPip)
    time.tzset = tzset
    zone = _bundle.time_zone_name()
    if zone is not None:
        posix.environ[b"TZ"] = zone


def tzset():
    """Reads the time zone that TZ names, also if the host does not have it."""
    from _rgunicorn import time_zone

    time_zone.provide(_tzset)
    _tzset()


def replace(name):
    """Import `name` from `sys.path` in place of the module that is being imported."""
    spec = _external.PathFinder.find_spec(name)
    module = _bootstrap.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


def inside(path):
    """The path in the bundle, or None if it is not below the executable."""
    return path[len(_ROOT):] if path.startswith(_ROOT) else None


def text_reader(path):
    """A function that returns the text of a Python file of the bundle or of a zip; None
    for other files. For linecache."""
    read = _reader(path)
    return read and (lambda: _external.decode_source(read()))


def open_source(path):
    """Such a file as an open file; None for other files. For tokenize."""
    read = _reader(str(path))
    return read and _io.BytesIO(read())


def _reader(path):
    return _zipped.reader(path) if inside(path) is None else (lambda: _read(path))


def _read(path):
    data = _bundle.data(inside(path) or "")
    if data is None:
        raise FileNotFoundError(2, "not in the bundle", path)
    return data


class BundleFinder:
    """Finds modules in one folder of the bundle."""

    def __init__(self, path):
        folder = inside(path)
        if folder is None or not _bundle.is_folder(folder):
            raise ImportError("not a folder of the bundle", path=path)
        self.path = path
        self._folder = folder

    def find_spec(self, fullname, target=None):
        if fullname == "gunicorn" and not _bundle.serves():
            # An installed module replaces ours.
            behind = sys.path[sys.path.index(self.path) + 1 :] if self.path in sys.path else []
            installed = _external.PathFinder.find_spec(fullname, behind)
            if installed is not None and installed.origin is not None:
                return installed
        tail = fullname.rpartition(".")[2]
        found = _bundle.find(f"{self._folder}/{tail}")
        if found is None:
            return None
        path, is_package = found
        origin = _ROOT + path
        spec = _bootstrap.ModuleSpec(
            fullname, BundleLoader(fullname, origin), origin=origin, is_package=is_package
        )
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations.append(f"{self.path}/{tail}")
        return spec

    def iter_modules(self, prefix=""):
        """pkgutil calls this."""
        for name in _bundle.names(self._folder):
            module, dot, ending = name.partition(".")
            if ending == "py" and module != "__init__":
                yield prefix + module, False
            elif not dot and _bundle.find(f"{self._folder}/{name}"):
                yield prefix + name, True

    def invalidate_caches(self):
        """Does nothing: the bundle does not change."""

    def __repr__(self):
        return f"BundleFinder({self.path!r})"


class OwnGunicorn:
    """In the server, `gunicorn` is the included package, even if another is installed
    or a config file is called gunicorn.py."""

    @staticmethod
    def find_spec(fullname, path=None, target=None):
        return BundleFinder(sys._stdlib_dir).find_spec(fullname) if fullname == "gunicorn" else None

    @staticmethod
    def find_distributions(context=None):
        from _rgunicorn import distribution

        return distribution.find(context)


class CarriedPip:
    """For `python -m pip` the included pip is used if none is installed. `import pip`
    without an installed one must fail."""

    @staticmethod
    def find_spec(fullname, path=None, target=None):
        # sys.argv looks like this while Python searches for the module of -m.
        if fullname == "pip" and sys.argv[:1] == ["-m"]:
            from _rgunicorn import pip

            return pip.find_spec()


class BundleLoader(_external.SourceLoader):
    """Loads one module. It was compiled when the executable was built."""

    def __init__(self, fullname, path):
        self.name = fullname
        self.path = path

    def get_filename(self, fullname):
        return self.path

    def get_data(self, path):
        return _read(path)

    def get_code(self, fullname):
        code = None if sys.flags.optimize else _bundle.code(inside(self.path))
        if code is None:
            return self.source_to_code(self.get_data(self.path), self.path)
        _imp._fix_co_filename(code, self.path)
        return code

    def exec_module(self, module):
        super().exec_module(module)
        if self.name == "logging":
            from _rgunicorn import current

            if current.serving:
                current.attach_log()

    def get_resource_reader(self, fullname):
        from _rgunicorn.resources import Reader

        return Reader(inside(self.path).rpartition("/")[0])
