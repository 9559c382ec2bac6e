"""`pylock.toml` (PEP 751)."""

import os

from pip._vendor.packaging.utils import canonicalize_name

from .wanted import Refusal, best_file, check_asked, check_python, holds, read_toml


def read(wanted, extras, groups):
    file = wanted.file
    wanted.locked = True
    lock = read_toml(file)
    version = lock["lock-version"]
    if version.split(".")[0] != "1":
        raise Refusal(f"{file} has lock-version {version}; known is 1.0")
    check_python(file, lock.get("requires-python"))
    check_asked(file, "extra", extras, lock.get("extras", []))
    check_asked(file, "group", groups, lock.get("dependency-groups", []))
    default_groups = map(canonicalize_name, lock.get("default-groups", []))
    chosen = {"extras": extras, "dependency_groups": groups | {*default_groups}}
    for package in lock["packages"]:
        if not holds(package.get("marker"), chosen, "lock_file"):
            continue
        name = package["name"]
        check_python(f"{name} in {file}", package.get("requires-python"))
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
    best = best_file(files)
    wanted.archive(package["name"], best.get("path") or best["url"], _hashes(best))


def _hashes(file):
    known = ("sha256", "sha384", "sha512")
    return [f"{kind}:{value}" for kind, value in file["hashes"].items() if kind in known]
