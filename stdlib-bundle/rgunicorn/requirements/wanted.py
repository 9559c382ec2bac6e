"""Collects requirements for pip. The readers of all files use it."""

import re
import sys
import tomllib
from urllib.parse import unquote, urlsplit

from pip._vendor.packaging.markers import InvalidMarker, Marker
from pip._vendor.packaging.specifiers import InvalidSpecifier, SpecifierSet
from pip._vendor.packaging.tags import sys_tags
from pip._vendor.packaging.utils import (
    InvalidWheelFilename,
    canonicalize_name,
    parse_wheel_filename,
)

PYPI = "https://pypi.org/simple"


class Refusal(Exception):
    """What is wrong with the file, as a sentence for its author."""


class Wanted:
    """The collected requirements, each once."""

    def __init__(self, file, project):
        self.file = file
        self.project = project
        # Whether these are all, so that pip need not look for their dependencies.
        self.locked = False
        self._lines = {}
        self._unhashed = {}
        self._indexes = {}

    def require(self, text):
        """Adds a requirement as the author wrote it."""
        self._lines[text] = None

    def release(self, name, version, hashes, index=None):
        """Adds a version of a package in an index. One of its files must have one of
        the hashes."""
        line = f"{name}=={version}"
        hashes = sorted(set(hashes))
        if hashes:
            self._lines[" ".join([line, *(f"--hash={it}" for it in hashes)])] = None
        else:
            self._unhashed[line] = None
        if index and index.rstrip("/") != PYPI:
            self._indexes[f"--extra-index-url {index}"] = None

    def archive(self, name, url, hashes):
        """Adds a file at this URL, or below the lock file's folder."""
        if not urlsplit(url).scheme:
            url = (self.file.parent / url).resolve().as_uri()
        if not hashes:
            self._unhashed[f"{name} @ {url}"] = None
        else:
            self._lines[" ".join([f"{name} @ {url}", *(f"--hash={it}" for it in hashes)])] = None

    def folder(self, name, path):
        """Adds another project, in a folder relative to the lock file. The packed
        project itself is not added."""
        folder = (self.file.parent / path).resolve()
        if folder != self.project:
            self._unhashed[f"{name} @ {folder.as_uri()}"] = None

    def commit(self, name, url, commit, subfolder=None):
        """Adds a commit of a git repository."""
        below = f"#subdirectory={subfolder}" if subfolder else ""
        self._unhashed[f"{name} @ git+{url}@{commit}{below}"] = None

    def answer(self):
        indexes = list(self._indexes)
        return {
            "lines": indexes + list(self._lines) if self._lines else [],
            "unhashed": indexes + list(self._unhashed) if self._unhashed else [],
            "locked": self.locked,
        }


def read_toml(file):
    with open(file, "rb") as opened:
        return tomllib.load(opened)


def check_asked(file, kind, asked, known):
    """Checks that what was asked for by name exists."""
    known = {canonicalize_name(name) for name in known}
    for name in sorted(asked - known):
        names = ", ".join(sorted(known)) or "none"
        raise Refusal(f"{file} has no {kind} '{name}' (it has: {names})")


def holds(text, environment=None, context="metadata"):
    """Whether a marker is true here; None is true."""
    if not text:
        return True
    try:
        return Marker(text).evaluate(environment, context)
    except InvalidMarker as error:
        raise Refusal(f"the marker {text!r} cannot be read: {error}") from None


def check_python(what, specifier):
    ours = "%d.%d.%d" % sys.version_info[:3]
    try:
        fits = not specifier or SpecifierSet(specifier).contains(ours, prereleases=True)
    except InvalidSpecifier:
        fits = True
    if not fits:
        raise Refusal(f"{what} is for Python {specifier}, and this is {ours}")


def best_file(files):
    """The wheel that fits this Python best, else the source."""
    order = {tag: place for place, tag in enumerate(sys_tags())}

    def rank(file):
        where = file.get("path") or file["url"]
        name = file.get("name") or unquote(urlsplit(where).path).rpartition("/")[2]
        try:
            tags = parse_wheel_filename(name)[3]
        except InvalidWheelFilename:
            return len(order)
        return min((order[tag] for tag in tags if tag in order), default=len(order) + 1)

    return min(files, key=rank)
