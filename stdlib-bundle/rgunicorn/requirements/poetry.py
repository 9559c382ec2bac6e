"""`poetry.lock`, as Poetry writes it since version 2.0."""

import re

from pip._vendor.packaging.utils import canonicalize_name

from .wanted import Refusal, check_asked, check_python, holds, read_toml


def read(wanted, extras, groups):
    file = wanted.file
    wanted.locked = True
    lock = read_toml(file)
    check_python(file, _plain(lock["metadata"].get("python-versions")))
    check_asked(file, "extra", extras, lock.get("extras", {}))
    packages = lock.get("package", [])
    if packages and "groups" not in packages[0]:
        raise Refusal(
            f"{file} is of a Poetry before 2.0 and does not say what belongs to which group; "
            "run `poetry lock` with a newer one, or `poetry export`"
        )
    tables = {name for package in packages for name in package["groups"]}
    check_asked(file, "group", groups, tables)
    of_extras = {
        canonicalize_name(re.split(r"[^\w.-]", text)[0])
        for name, texts in lock.get("extras", {}).items()
        if canonicalize_name(name) in extras
        for text in texts
    }
    for package in packages:
        its_groups = [
            name
            for name in package["groups"]
            if name == "main" or canonicalize_name(name) in groups
        ]
        if any(_is_needed(package, group, extras, of_extras) for group in its_groups):
            _add(wanted, package)


def _is_needed(package, group, extras, of_extras):
    marker = package.get("markers")
    if isinstance(marker, dict):
        marker = marker.get(group)
    if marker is None:
        named = canonicalize_name(package["name"]) in of_extras
        return named or not package.get("optional", False) or group != "main"
    return any(holds(marker, {"extra": extra}) for extra in sorted(extras) or [""])


def _add(wanted, package):
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
    """Translates Poetry's own operators for pip."""
    return None if specifier and re.search(r"[\^~|*]", specifier) else specifier
