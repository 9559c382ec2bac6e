"""Converts Gunicorn's corpus of requests, in its source package, to JSON.

    python convert.py gunicorn-27.0.1.tar.gz OUT.json

A case is a file of bytes and a Python file that states the result of the parser. The
Python files run here, with replacements for what they import.
"""

import json
import re
import sys
import tarfile
import types
from urllib.parse import unquote_to_bytes, urlsplit


class Config:
    def __init__(self):
        self.given = {}

    def set(self, name, value):
        self.given[name] = value


class Errors(types.ModuleType):
    """Has every name, as an exception with that name."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (Exception,), {})


def uri(text):
    # Text that begins with two slashes is a path, not an authority.
    parts = urlsplit("x:" + text if text.startswith("//") else text)
    if text.startswith("//"):
        path = text.split("?")[0].split("#")[0]
    else:
        path = parts.path
    return {
        "target": text,
        "path": unquote_to_bytes(path).decode("latin-1"),
        "query": parts.query,
    }


def text(value):
    return value if isinstance(value, str) else value.decode("latin-1")


def read_bytes(data):
    """The bytes that a file stands for, without its own line ends."""
    data = data.replace(b"\n", b"")
    escapes = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0"}
    data = re.sub(rb"\\([rnt0])", lambda match: escapes[match[1]], data)
    return re.sub(rb"\\x([0-9A-Fa-f]{2})", lambda match: bytes([int(match[1], 16)]), data)


def request(expected):
    return {
        "method": text(expected["method"]),
        **{name: text(value) for name, value in expected["uri"].items()},
        "version": list(expected["version"]),
        "headers": [[text(name), text(value)] for name, value in expected["headers"]],
        "body": text(expected["body"]),
    }


def case(name, data, code):
    space = {"uri": uri, "cfg": Config()}
    exec(compile(code, name, "exec"), space)
    expected = space["request"]
    result = {
        "name": name,
        "bytes": read_bytes(data).decode("latin-1"),
        "settings": space["cfg"].given,
    }
    if isinstance(expected, type):
        result["error"] = expected.__name__
    else:
        expected = expected if isinstance(expected, list) else [expected]
        result["requests"] = [request(one) for one in expected]
    return result


def main(package, out):
    for name in ("gunicorn", "gunicorn.http"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["gunicorn.config"] = config = types.ModuleType("gunicorn.config")
    config.Config = Config
    sys.modules["gunicorn.http.errors"] = Errors("gunicorn.http.errors")
    cases = []
    with tarfile.open(package) as tar:
        files = {member.name: member for member in tar.getmembers()}
        for name in sorted(files):
            match = re.search(r"tests/requests/((valid|invalid)/.*)\.http$", name)
            if match:
                data = tar.extractfile(name).read()
                code = tar.extractfile(name[: -len("http")] + "py").read()
                cases.append(case(match[1], data, code))
    with open(out, "w", encoding="utf-8") as file:
        json.dump(cases, file)


main(*sys.argv[1:])
