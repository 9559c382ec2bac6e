"""What `sysconfig` reports for a Python that is one file."""

import os
import sys

import _rgunicorn_bundle

# Folders of the build's own prefix, in which nothing was installed.
_OF_PREFIX = (
    "BINDIR",
    "BINLIBDEST",
    "DESTDIRS",
    "DESTLIB",
    "DESTSHARED",
    "INCLDIRSTOMAKE",
    "INCLUDEDIR",
    "CONFINCLUDEDIR",
    "LIBDEST",
    "LIBDIR",
    "LIBPC",
    "LIBPL",
    "MACHDESTLIB",
    "MANDIR",
    "SCRIPTDIR",
    "datarootdir",
)


def correct(variables):
    """Change the variables of the build to the folders of this Python."""
    built = variables["prefix"]
    variables["prefix"] = os.path.normpath(sys.prefix)
    variables["exec_prefix"] = os.path.normpath(sys.exec_prefix)
    for name in _OF_PREFIX:
        if isinstance(value := variables.get(name), str):
            words = (_moved(word, built) for word in value.split())
            variables[name] = " ".join(words)
    variables["EXENAME"] = sys.executable
    version = "python%d.%d" % sys.version_info[:2]
    nowhere = os.path.join(sys.base_prefix, "include", version)
    variables["INCLUDEPY"] = variables["CONFINCLUDEPY"] = nowhere


def add_headers(variables):
    """Write the C headers to files when somebody asks where they are."""
    folder = _rgunicorn_bundle.headers()
    if folder is not None:
        variables["INCLUDEPY"] = variables["CONFINCLUDEPY"] = folder


def _moved(path, built):
    return sys.base_prefix + path[len(built):] if (path + "/").startswith(built + "/") else path
