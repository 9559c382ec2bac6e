"""From a project's lock file, or its `pyproject.toml`, to requirements of pip.

Run with the words of the asking as JSON; the answer is JSON, too:

- `lines`: requirements, with hashes where they are locked
- `unhashed`: locked ones that have no hash, such as folders and commits
- `locked`: whether these are all, and nothing is to be resolved
"""

import json
import os
import re
import sys
import tomllib
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from _rgunicorn import pip

sys.path.append(pip.place())
from pip._vendor.packaging.markers import InvalidMarker, Marker  # noqa: E402
from pip._vendor.packaging.requirements import InvalidRequirement, Requirement  # noqa: E402
from pip._vendor.packaging.specifiers import InvalidSpecifier, SpecifierSet  # noqa: E402
from pip._vendor.packaging.utils import canonicalize_name  # noqa: E402

PYPI = "https://pypi.org/simple"


class Refusal(Exception):
    """What is wrong with the file, as a sentence for its author."""


def main(words):
    asked = json.loads(words)
    file = Path(asked["file"])
    extras = {canonicalize_name(name) for name in asked["extras"]}
    groups = {canonicalize_name(name) for name in asked["groups"]}
    try:
        wanted = _reader(file.name)(file, extras, groups)
        answer = wanted.answer()
    except Refusal as refusal:
        answer = {"error": str(refusal)}
    except (ValueError, OSError) as error:
        answer = {"error": f"{file} cannot be read: {error}"}
    except (KeyError, TypeError, AttributeError) as error:
        answer = {"error": f"{file} is not what its name says ({type(error).__name__}: {error})"}
    json.dump(answer, sys.stdout)


def _reader(name):
    known = {
        "pyproject.toml": of_project,
        "uv.lock": of_uv,
        "poetry.lock": of_poetry,
        "Pipfile.lock": of_pipenv,
    }
    return known.get(name, of_pylock)


class Wanted:
    """Requirements that are gathered, each once."""

    def __init__(self, file, locked):
        self.file = file
        self.locked = locked
        self._lines = {}
        self._unhashed = {}
        self._indexes = {}

    def require(self, text):
        """As the author wrote it."""
        self._lines[text] = None

    def release(self, name, version, hashes, index=None):
        """A version of a package in an index, one of whose files has one of the hashes."""
        line = f"{name}=={version}"
        hashes = sorted(set(hashes))
        if hashes:
            self._lines[" ".join([line, *(f"--hash={it}" for it in hashes)])] = None
        else:
            self._unhashed[line] = None
        if index and index.rstrip("/") != PYPI:
            self._indexes[f"--extra-index-url {index}"] = None

    def archive(self, name, url, hashes):
        """A file at this address or below the lock file's folder."""
        if not urlsplit(url).scheme:
            url = (self.file.parent / url).resolve().as_uri()
        if not hashes:
            self._unhashed[f"{name} @ {url}"] = None
        else:
            self._lines[" ".join([f"{name} @ {url}", *(f"--hash={it}" for it in hashes)])] = None

    def folder(self, name, path):
        """A project below or beside the lock file's folder; not the packed one itself."""
        folder = (self.file.parent / path).resolve()
        if folder != self.file.parent.resolve():
            self._unhashed[f"{name} @ {folder.as_uri()}"] = None

    def commit(self, name, url, commit, subfolder=None):
        """A commit of a git repository."""
        below = f"#subdirectory={subfolder}" if subfolder else ""
        self._unhashed[f"{name} @ git+{url}@{commit}{below}"] = None

    def answer(self):
        indexes = list(self._indexes)
        return {
            "lines": indexes + list(self._lines) if self._lines else [],
            "unhashed": indexes + list(self._unhashed) if self._unhashed else [],
            "locked": self.locked,
        }


def _toml(file):
    with open(file, "rb") as opened:
        return tomllib.load(opened)


def _check_asked(file, kind, asked, known):
    """That there is what was asked for by name."""
    known = {canonicalize_name(name) for name in known}
    for name in sorted(asked - known):
        names = ", ".join(sorted(known)) or "none"
        raise Refusal(f"{file} has no {kind} '{name}' (it has: {names})")


def _marker(text, environment=None, context="metadata"):
    """Whether a marker holds here; one that is not there does."""
    if not text:
        return True
    try:
        return Marker(text).evaluate(environment, context)
    except InvalidMarker as error:
        raise Refusal(f"the marker {text!r} cannot be read: {error}") from None


# pyproject.toml (PEP 621, PEP 735)


def of_project(file, extras, groups):
    whole = _toml(file)
    project = whole.get("project", {})
    optional = {canonicalize_name(k): v for k, v in project.get("optional-dependencies", {}).items()}
    tables = {canonicalize_name(k): v for k, v in whole.get("dependency-groups", {}).items()}
    _check_asked(file, "extra", extras, optional)
    _check_asked(file, "group", groups, tables)
    wanted = Wanted(file, locked=False)
    lines = list(project.get("dependencies", []))
    if "dependencies" in project.get("dynamic", []):
        lines += _dynamic(file, whole)
    for name in sorted(extras):
        lines += optional[name]
    for name in sorted(groups):
        lines += _group(file, tables, name, ())
    own = canonicalize_name(project.get("name", ""))
    seen = set(extras)
    while lines:
        line = lines.pop(0)
        try:
            requirement = Requirement(line)
        except InvalidRequirement as error:
            raise Refusal(f"{file} has {line!r}, which is no requirement: {error}") from None
        if canonicalize_name(requirement.name) != own:
            wanted.require(line)
            continue
        # "shop[all]" in shop's own extras stands for others of them.
        more = {canonicalize_name(extra) for extra in requirement.extras} - seen
        _check_asked(file, "extra", more, optional)
        seen |= more
        for name in sorted(more):
            lines += optional[name]
    return wanted


def _dynamic(file, whole):
    """Those that setuptools would read from files."""
    told = whole.get("tool", {}).get("setuptools", {}).get("dynamic", {}).get("dependencies", {})
    names = told.get("file") if isinstance(told, dict) else None
    if not names:
        raise Refusal(
            f"{file} leaves its dependencies to its build system; write them there, or into a "
            "requirements.txt"
        )
    lines = []
    for name in [names] if isinstance(names, str) else names:
        for line in (file.parent / name).read_text("utf-8").splitlines():
            line = line.partition(" #")[0].strip()
            if line and not line.startswith("#"):
                lines.append(line)
    return lines


def _group(file, tables, name, within):
    if name in within:
        raise Refusal(f"{file} has a group '{name}' that includes itself")
    if name not in tables:
        raise Refusal(f"{file} includes a group '{name}', which is not there")
    lines = []
    for item in tables[name]:
        if isinstance(item, str):
            lines.append(item)
        else:
            other = canonicalize_name(item["include-group"])
            lines += _group(file, tables, other, (*within, name))
    return lines


# pylock.toml (PEP 751)


def of_pylock(file, extras, groups):
    lock = _toml(file)
    version = lock["lock-version"]
    if version.split(".")[0] != "1":
        raise Refusal(f"{file} has lock-version {version}; known is 1.0")
    _check_python(file, lock.get("requires-python"))
    _check_asked(file, "extra", extras, lock.get("extras", []))
    _check_asked(file, "group", groups, lock.get("dependency-groups", []))
    chosen = {"extras": extras, "dependency_groups": groups | {*lock.get("default-groups", [])}}
    wanted = Wanted(file, locked=True)
    for package in lock["packages"]:
        if not _marker(package.get("marker"), chosen, "lock_file"):
            continue
        name = package["name"]
        _check_python(f"{name} in {file}", package.get("requires-python"))
        if "directory" in package:
            directory = package["directory"]
            path = os.path.join(directory["path"], directory.get("subdirectory", ""))
            wanted.folder(name, path)
        elif "vcs" in package:
            vcs = package["vcs"]
            if vcs["type"] != "git":
                raise Refusal(f"{name} in {file} comes from {vcs['type']}; only git is known")
            url = vcs.get("url") or (file.parent / vcs["path"]).resolve().as_uri()
            wanted.commit(name, url, vcs["commit-id"], vcs.get("subdirectory"))
        elif "archive" in package:
            archive = package["archive"]
            wanted.archive(name, archive.get("url") or archive["path"], _hashes(archive))
        else:
            _of_files(wanted, package)
    return wanted


def _of_files(wanted, package):
    files = list(package.get("wheels", []))
    files += [package["sdist"]] if "sdist" in package else []
    if not files:
        raise Refusal(f"{package['name']} in {wanted.file} has no files")
    if "version" in package and not any("path" in it and "url" not in it for it in files):
        hashes = [it for each in files for it in _hashes(each)]
        wanted.release(package["name"], package["version"], hashes, package.get("index"))
        return
    # Files beside the lock file.
    best = _best(files)
    wanted.archive(package["name"], best.get("path") or best["url"], _hashes(best))


def _best(files):
    """The wheel that suits this Python best, else the source."""
    from pip._vendor.packaging.tags import sys_tags
    from pip._vendor.packaging.utils import InvalidWheelFilename, parse_wheel_filename

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


def _hashes(file):
    known = ("sha256", "sha384", "sha512")
    return [f"{kind}:{value}" for kind, value in file["hashes"].items() if kind in known]


def _check_python(what, specifier):
    ours = "%d.%d.%d" % sys.version_info[:3]
    try:
        fits = not specifier or SpecifierSet(specifier).contains(ours, prereleases=True)
    except InvalidSpecifier:
        fits = True
    if not fits:
        raise Refusal(f"{what} is for Python {specifier}, and this is {ours}")


# uv.lock


def of_uv(file, extras, groups):
    lock = _toml(file)
    if lock["version"] != 1:
        raise Refusal(f"{file} has version {lock['version']} of uv's format; known is 1")
    _check_python(file, lock.get("requires-python"))
    packages = lock.get("package", [])
    root = _uv_root(file, packages)
    optional = root.get("optional-dependencies", {})
    tables = root.get("dev-dependencies", {})
    metadata = root.get("metadata", {})
    _check_asked(file, "extra", extras, {*optional, *metadata.get("provides-extras", [])})
    _check_asked(file, "group", groups, {*tables, *metadata.get("requires-dev", {})})
    # Of extras that exclude each other, the lock's markers speak by such names.
    own = canonicalize_name(root["name"])
    names = [f"extra-{len(own)}-{own}-{extra}" for extra in sorted(extras)]
    names += [f"group-{len(own)}-{own}-{group}" for group in sorted(groups)]

    def holds(dependency):
        marker = dependency.get("marker")
        return any(_marker(marker, {"extra": name}) for name in names or [""])

    by_name = {}
    for package in packages:
        by_name.setdefault(package["name"], []).append(package)
    todo = [(dependency, root) for dependency in root.get("dependencies", [])]
    for table, asked in (optional, extras), (tables, groups):
        for name, dependencies in table.items():
            if canonicalize_name(name) in asked:
                todo += [(dependency, root) for dependency in dependencies]
    wanted = Wanted(file, locked=True)
    seen, done = set(), set()
    while todo:
        dependency, by = todo.pop(0)
        if not holds(dependency):
            continue
        package = _uv_choice(file, by_name, dependency, by)
        for extra in [None, *dependency.get("extra", [])]:
            if (id(package), extra) in seen:
                continue
            seen.add((id(package), extra))
            if extra is None:
                more = package.get("dependencies", [])
            else:
                more = package.get("optional-dependencies", {}).get(extra, [])
            todo += [(it, package) for it in more]
        if id(package) not in done and package is not root:
            done.add(id(package))
            _of_uv_package(wanted, package)
    return wanted


def _uv_root(file, packages):
    for package in packages:
        source = package.get("source", {})
        if source.get("editable") == "." or source.get("virtual") == ".":
            return package
    raise Refusal(f"{file} has no package for the project in its own folder")


def _uv_choice(file, by_name, dependency, by):
    """A fork of the lock has several versions of a name; the dependency says which."""
    found = [
        package
        for package in by_name.get(dependency["name"], [])
        if all(package.get(key) == dependency[key] for key in ("version", "source") if key in dependency)
    ]
    if len(found) != 1:
        raise Refusal(
            f"{file} does not say which {dependency['name']} {by['name']} needs; "
            "run `uv lock` again"
        )
    return found[0]


def _of_uv_package(wanted, package):
    name, source = package["name"], package["source"]
    files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
    hashes = [it["hash"] for it in files if "hash" in it]
    if "registry" in source:
        index = source["registry"]
        if "://" not in index:
            # A folder with packages.
            folder = (wanted.file.parent / index).resolve()
            best = _best([it | {"path": it.get("path") or it["url"]} for it in files])
            wanted.archive(name, str(folder / best["path"]), [best["hash"]])
        else:
            wanted.release(name, package["version"], hashes, index)
    elif "url" in source:
        wanted.archive(name, source["url"], hashes)
    elif "path" in source:
        wanted.archive(name, source["path"], hashes)
    elif "git" in source:
        _of_git_address(wanted, name, source["git"])
    elif "virtual" not in source:
        # A member of the workspace that is no package has its dependencies only.
        wanted.folder(name, source.get("editable") or source["directory"])


def _of_git_address(wanted, name, address):
    """`https://host/repository?subdirectory=a&rev=b#commit`"""
    parts = urlsplit(address)
    told = dict(word.partition("=")[::2] for word in parts.query.split("&"))
    url = urlunsplit(parts._replace(query="", fragment=""))
    wanted.commit(name, url, parts.fragment, unquote(told.get("subdirectory", "")))


# Pipfile.lock


def of_pipenv(file, extras, groups):
    with open(file, "rb") as opened:
        lock = json.load(opened)
    tables = {k: v for k, v in lock.items() if k not in ("_meta", "default")}
    if "develop" in tables:
        # As Pipfile calls it.
        tables["dev-packages"] = tables["develop"]
    _check_asked(file, "extra", extras, [])
    _check_asked(file, "group", groups, tables)
    meta = lock.get("_meta", {})
    _check_pipenv_python(file, meta.get("requires", {}))
    sources = {source["name"]: os.path.expandvars(source["url"]) for source in meta["sources"]}
    wanted = Wanted(file, locked=True)
    chosen = [it for name, it in tables.items() if canonicalize_name(name) in groups]
    for table in lock["default"], *chosen:
        for name, package in table.items():
            if not _marker(package.get("markers")):
                continue
            hashes = package.get("hashes", [])
            if "git" in package:
                wanted.commit(name, package["git"], package["ref"], package.get("subdirectory"))
            elif "version" in package:
                version = package["version"].removeprefix("==")
                index = sources.get(package.get("index")) or next(iter(sources.values()), None)
                wanted.release(name, version, hashes, index)
            elif os.path.isdir(path := file.parent / package.get("path", "nowhere")):
                wanted.folder(name, path)
            else:
                place = package.get("file") or package.get("path") or package["uri"]
                wanted.archive(name, place, hashes)
    return wanted


def _check_pipenv_python(file, requires):
    told = requires.get("python_full_version") or requires.get("python_version")
    if told:
        _check_python(file, f"=={told}" if told.count(".") > 1 else f"=={told}.*")


# poetry.lock


def of_poetry(file, extras, groups):
    lock = _toml(file)
    _check_python(file, _plain(lock["metadata"].get("python-versions")))
    _check_asked(file, "extra", extras, lock.get("extras", {}))
    packages = lock.get("package", [])
    if packages and "groups" not in packages[0]:
        raise Refusal(
            f"{file} is of a Poetry before 2.0 and does not say what belongs to which group; "
            "run `poetry lock` with a newer one, or `poetry export`"
        )
    tables = {name for package in packages for name in package["groups"]}
    _check_asked(file, "group", groups, tables)
    of_extras = {
        canonicalize_name(re.split(r"[^\w.-]", text)[0])
        for name, texts in lock.get("extras", {}).items()
        if canonicalize_name(name) in extras
        for text in texts
    }
    wanted = Wanted(file, locked=True)
    for package in packages:
        its_groups = [
            name
            for name in package["groups"]
            if name == "main" or canonicalize_name(name) in groups
        ]
        if any(_poetry_marker(package, group, extras, of_extras) for group in its_groups):
            _of_poetry_package(wanted, package)
    return wanted


def _poetry_marker(package, group, extras, of_extras):
    marker = package.get("markers")
    if isinstance(marker, dict):
        marker = marker.get(group)
    if marker is None:
        named = canonicalize_name(package["name"]) in of_extras
        return named or not package.get("optional", False) or group != "main"
    return any(_marker(marker, {"extra": extra}) for extra in sorted(extras) or [""])


def _of_poetry_package(wanted, package):
    name, source = package["name"], package.get("source", {})
    hashes = [it["hash"] for it in package.get("files", [])]
    match source.get("type"):
        case None:
            wanted.release(name, package["version"], hashes)
        case "legacy":
            wanted.release(name, package["version"], hashes, source["url"])
        case "git":
            commit = source["resolved_reference"]
            wanted.commit(name, source["url"], commit, source.get("subdirectory"))
        case "url" | "file":
            wanted.archive(name, source["url"], hashes)
        case "directory":
            wanted.folder(name, source["url"])
        case other:
            raise Refusal(f"{name} in {wanted.file} comes from {other}, which is not known")


def _plain(specifier):
    """Poetry's own operators are not pip's."""
    return None if specifier and re.search(r"[\^~|*]", specifier) else specifier


if __name__ == "__main__":
    main(*sys.argv[1:])
