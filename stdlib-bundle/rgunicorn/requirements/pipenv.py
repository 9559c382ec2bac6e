"""`Pipfile.lock`, as Pipenv writes it."""

import json
import os

from pip._vendor.packaging.utils import canonicalize_name

from .wanted import check_asked, check_python, holds


def read(wanted, extras, groups):
    file = wanted.file
    wanted.locked = True
    with open(file, "rb") as opened:
        lock = json.load(opened)
    tables = {k: v for k, v in lock.items() if k not in ("_meta", "default")}
    if "develop" in tables:
        # The name in the Pipfile.
        tables["dev-packages"] = tables["develop"]
    check_asked(file, "extra", extras, [])
    check_asked(file, "group", groups, tables)
    meta = lock.get("_meta", {})
    _check_requires(file, meta.get("requires", {}))
    sources = {source["name"]: os.path.expandvars(source["url"]) for source in meta["sources"]}
    chosen = [it for name, it in tables.items() if canonicalize_name(name) in groups]
    for table in lock["default"], *chosen:
        for name, package in table.items():
            if not holds(package.get("markers")):
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


def _check_requires(file, requires):
    told = requires.get("python_full_version") or requires.get("python_version")
    if told:
        check_python(file, f"=={told}" if told.count(".") > 1 else f"=={told}.*")
