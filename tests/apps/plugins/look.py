"""What packages find out about themselves and each other: versions, entry points, files
and resources. It must be the same wherever they are imported from."""

import importlib.resources
import inspect
import linecache
import pkgutil
import sys
import traceback
import warnings
from importlib import metadata

# The backport, which OpenTelemetry uses.
import importlib_metadata

import space.module
import words

for library in (metadata, importlib_metadata):
    assert library.version("pytest") == library.distribution("PyTest").version == "9.2.0"
    assert library.metadata("opentelemetry_api")["Name"] == "opentelemetry-api"
    [plugin] = library.entry_points(group="pytest11")
    assert (plugin.name, plugin.dist.name) == ("anyio", "anyio"), plugin
    assert plugin.load().__name__ == "anyio.pytest_plugin"
    assert library.entry_points(group="console_scripts")["flask"].value == "flask.cli:main"
    names = [found.name.lower() for found in library.distributions()]
    assert len(names) == len(set(names)) and {"anyio", "flask", "pluggy"} <= set(names), names
    assert any(line.startswith("idna") for line in library.requires("anyio"))
    files = {str(file): file for file in library.files("anyio")}
    file = files["anyio/abc/__init__.py"]
    assert file.locate().exists() and "import" in file.read_text()
    assert file.read_binary() == file.locate().read_bytes()
    assert str(file.locate()).endswith("/site-packages/anyio/abc/__init__.py")
    assert library.packages_distributions()["flask"] == ["Flask"]
    try:
        library.version("no-such-package")
    except library.PackageNotFoundError:
        continue
    raise AssertionError(library)
assert list(metadata.distributions(path=[])) == []

# It finds its implementation through an entry point.
from opentelemetry import context  # noqa: E402

assert context.get_value("x", context.set_value("x", 1)) == 1

with warnings.catch_warnings(action="ignore"):
    import pkg_resources

assert pkg_resources.get_distribution("anyio").version == metadata.version("anyio")
assert "anyio" in [found.name for found in pkg_resources.iter_entry_points("pytest11")]
assert [found.key for found in pkg_resources.require("werkzeug")] == ["werkzeug", "markupsafe"]
assert pkg_resources.resource_string("words", "lists/short/hamlet.txt").startswith(b"to be")
assert pkg_resources.resource_isdir("words", "lists/short")

# Resources in folders that are not packages, and in packages without files of their
# own.
hamlet = importlib.resources.files("words") / "lists" / "short" / "hamlet.txt"
assert hamlet.read_text() == "to be or not to be\n"
assert [one.name for one in importlib.resources.files("words").joinpath("lists").iterdir()] == ["short"]
assert (importlib.resources.files("space.part") / "jaques.txt").is_file()
assert (importlib.resources.files("space") / "part" / "jaques.txt").read_bytes()
assert pkgutil.get_data("words", "lists/short/hamlet.txt") == hamlet.read_bytes()
assert [found.name for found in pkgutil.iter_modules(space.__path__)] == ["module"]
assert "anyio.abc" in [found.name for found in pkgutil.walk_packages(sys.modules["anyio"].__path__, "anyio.")]

# Source code, also of a function whose `__module__` is another module.
import anyio  # noqa: E402

assert anyio.run.__module__ == "anyio" and inspect.getsource(anyio.run).startswith("def run(")
linecache.clearcache()
assert linecache.getline(words.__file__, 1) == 'NAME = "words"\n'
try:
    anyio.run(None)
except TypeError:
    assert "in run\n    " in traceback.format_exc()

# The effect of setuptools' `.pth` file.
assert "_distutils_hack" in sys.modules
print("all found")
