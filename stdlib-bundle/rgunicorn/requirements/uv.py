"""`uv.lock`, as uv writes it."""

import os
from urllib.parse import unquote, urlsplit, urlunsplit

from pip._vendor.packaging.utils import canonicalize_name

from .wanted import Refusal, best_file, check_asked, check_python, holds, read_toml


def read(wanted, extras, groups):
    file = wanted.file
    wanted.locked = True
    lock = read_toml(file)
    if lock["version"] != 1:
        raise Refusal(f"{file} has version {lock['version']} of uv's format; known is 1")
    check_python(file, lock.get("requires-python"))
    packages = lock.get("package", [])
    root = _root(wanted, packages)
    optional = root.get("optional-dependencies", {})
    tables = root.get("dev-dependencies", {})
    metadata = root.get("metadata", {})
    check_asked(file, "extra", extras, {*optional, *metadata.get("provides-extras", [])})
    check_asked(file, "group", groups, {*tables, *metadata.get("requires-dev", {})})
    # If extras exclude each other, the markers in the lock use these names.
    own = canonicalize_name(root["name"])
    names = [f"extra-{len(own)}-{own}-{extra}" for extra in sorted(extras)]
    names += [f"group-{len(own)}-{own}-{group}" for group in sorted(groups)]

    def is_needed(dependency):
        marker = dependency.get("marker")
        return any(holds(marker, {"extra": name}) for name in names or [""])

    by_name = {}
    for package in packages:
        by_name.setdefault(package["name"], []).append(package)
    todo = [(dependency, root) for dependency in root.get("dependencies", [])]
    for table, asked in (optional, extras), (tables, groups):
        for name, dependencies in table.items():
            if canonicalize_name(name) in asked:
                todo += [(dependency, root) for dependency in dependencies]
    seen, done = set(), set()
    while todo:
        dependency, by = todo.pop(0)
        if not is_needed(dependency):
            continue
        package = _choice(file, by_name, dependency, by)
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
            _add(wanted, package)


def _root(wanted, packages):
    """The packed project, which may be one of several in a workspace."""
    place = os.path.relpath(wanted.project, wanted.file.parent)
    for package in packages:
        source = package.get("source", {})
        if place in (source.get("editable"), source.get("virtual")):
            return package
    raise Refusal(f"{wanted.file} has no package for the project in {wanted.project}")


def _choice(file, by_name, dependency, by):
    """A lock with forks has several versions of a package; the dependency says
    which."""
    told = {key: dependency[key] for key in ("version", "source") if key in dependency}
    known = by_name.get(dependency["name"], [])
    found = [package for package in known if told.items() <= package.items()]
    if len(found) != 1:
        raise Refusal(
            f"{file} does not say which {dependency['name']} {by['name']} needs; "
            "run `uv lock` again"
        )
    return found[0]


def _add(wanted, package):
    name, source = package["name"], package["source"]
    files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
    hashes = [it["hash"] for it in files if "hash" in it]
    if "registry" in source:
        index = source["registry"]
        if "://" not in index:
            # A folder with packages.
            folder = (wanted.file.parent / index).resolve()
            best = best_file([it | {"path": it.get("path") or it["url"]} for it in files])
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
        # A member of the workspace that is not a package only has dependencies.
        wanted.folder(name, source.get("editable") or source["directory"])


def _of_git_address(wanted, name, address):
    """`https://host/repository?subdirectory=a&rev=b#commit`"""
    parts = urlsplit(address)
    told = dict(word.partition("=")[::2] for word in parts.query.split("&"))
    url = urlunsplit(parts._replace(query="", fragment=""))
    wanted.commit(name, url, parts.fragment, unquote(told.get("subdirectory", "")))
