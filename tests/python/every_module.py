"""Imports every module of the standard library, except those in these lists."""

import importlib
import importlib.util
import pkgutil
import sys

LEFT_OUT = {
    # for a desktop or a terminal
    "idlelib", "tkinter", "_tkinter", "turtle", "turtledemo", "curses", "_curses",
    "_curses_panel", "readline",
    # CPython's own tests and toys
    "__hello__", "__phello__",
    # libraries that are not built in
    "_dbm", "_gdbm", "nis", "dbm.gnu", "dbm.ndbm",
    # parts of the better prompt, which needs curses
    "_pyrepl.curses", "_pyrepl._minimal_curses", "_pyrepl.fancy_termios", "_pyrepl.readline",
    "_pyrepl.simple_interact", "_pyrepl.terminfo", "_pyrepl.unix_console",
    "_pyrepl.unix_eventqueue",
}
OTHER_SYSTEMS = {
    "_ios_support", "_msi", "_overlapped", "_scproxy", "_winapi", "_wmi", "asyncio.windows_events",
    "asyncio.windows_utils", "ctypes.macholib", "encodings.mbcs", "encodings.oem", "msilib",
    "msvcrt", "multiprocessing.popen_spawn_win32", "nt", "winreg", "winsound",
}
# Importing them opens a browser or prints a text.
LOUD = {"antigravity", "this"}


def names():
    yield from sys.builtin_module_names
    yield from sys.stdlib_module_names
    stdlib = [path for path in sys.path if path.endswith(f"/python3.{sys.version_info[1]}")]
    for module in pkgutil.walk_packages(stdlib, onerror=lambda name: None):
        yield module.name


def imports(name):
    if name in LOUD:
        return importlib.util.find_spec(name) is not None
    try:
        importlib.import_module(name)
    except ImportError as error:
        print(name, "->", error)
        return False
    return True


wanted = {n for n in names() if not n.endswith("__main__") and not n.startswith("_rgunicorn.")}
expected = LEFT_OUT | OTHER_SYSTEMS
missing = {n for n in wanted if not any(n == e or n.startswith(e + ".") for e in expected)
           and not imports(n)}
assert not missing, sorted(missing)
assert len(wanted) > 600, len(wanted)

for name in LEFT_OUT:
    try:
        importlib.import_module(name)
    except ImportError:
        continue
    raise AssertionError(f"{name} is there; take it off the list")
