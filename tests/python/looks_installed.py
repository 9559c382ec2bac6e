"""Source code, resources, packages and metadata are as in an installed Python."""

import importlib.metadata
import importlib.resources
import inspect
import io
import json
import linecache
import os
import pkgutil
import site
import sys
import sysconfig
import traceback
import zipfile

# Source lines.
assert "def dumps(obj" in inspect.getsource(json.dumps)
assert inspect.getsourcefile(json) == json.__file__
assert linecache.getline(os.__file__, 1, os.__dict__).startswith('r"""OS routines')
try:
    json.loads("{")
except ValueError:
    text = traceback.format_exc()
assert "return _default_decoder.decode(s)" in text, text
assert f'File "{json.__file__}", line' in text, text

# All modules know where they are, also those that are imported first.
for name, module in list(sys.modules.items()):
    spec = getattr(module, "__spec__", None)
    if spec is None or name.startswith("_") or spec.origin in ("built-in", "frozen"):
        continue
    assert module.__file__ == spec.origin == spec.loader.get_filename(name), name
    assert spec.loader.get_source(name), name
import codecs, encodings.utf_8, io, abc, site, posixpath  # noqa: E401

for module in (codecs, encodings, encodings.utf_8, io, abc, site, posixpath):
    assert module.__file__.startswith(sys._stdlib_dir), module
assert codecs.lookup.__module__ and codecs.open.__code__.co_filename == codecs.__file__
assert json.__path__ == [os.path.dirname(json.__file__)]
assert json.__spec__.submodule_search_locations == json.__path__

# Packages.
assert {m.name for m in pkgutil.iter_modules(json.__path__)} >= {"decoder", "encoder", "tool"}
walked = [m.name for m in pkgutil.walk_packages(json.__path__, "json.")]
assert "json.decoder" in walked, walked
found = {m.name: m.ispkg for m in pkgutil.iter_modules()}
assert found["asyncio"] is True and found["argparse"] is False

# Resources.
bundled = importlib.resources.files("ensurepip") / "_bundled"
[wheel] = [f for f in bundled.iterdir() if f.name.endswith(".whl")]
assert wheel.is_file() and not wheel.is_dir() and bundled.is_dir()
with wheel.open("rb") as file:
    assert zipfile.ZipFile(io.BytesIO(file.read())).namelist()
with importlib.resources.as_file(wheel) as path:
    assert path.name == wheel.name and path.stat().st_size == len(wheel.read_bytes())
source = importlib.resources.files("json").joinpath("tool.py").read_text(encoding="utf-8")
assert "argparse" in source
assert pkgutil.get_data("venv", "scripts/common/activate").startswith(b"#")
assert b"def main" in json.__loader__.get_data(json.__path__[0] + "/tool.py")
try:
    (bundled / "nothing").read_bytes()
except FileNotFoundError:
    pass
else:
    raise AssertionError("there is no such resource")

# What people expect of site and sysconfig.
assert exit and quit and help and copyright and site.ENABLE_USER_SITE is False
assert importlib.metadata.packages_distributions() == {}
assert sysconfig.get_path("stdlib") == sys._stdlib_dir
assert sysconfig.get_config_var("SOABI").startswith("cpython-3")
assert "/scratch" not in repr(sysconfig.get_config_vars())
assert sys.path[-1].endswith("/lib/fallback")
