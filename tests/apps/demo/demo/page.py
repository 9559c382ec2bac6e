"""The one page: a template with what the interpreter reports about itself."""

import json
import os
import platform
import sqlite3
import ssl
import sys
from html import escape
from string import Template

from . import files

LANGUAGES = ("en", "de", "fr")


def render(environ):
    """The page, in the language that the browser prefers."""
    language = choose(environ.get("HTTP_ACCEPT_LANGUAGE", ""))
    words = json.loads(files.read(f"words/{language}.json"))
    template = Template(files.read("templates/page.html").decode())
    return template.substitute(
        {name: escape(text) for name, text in words.items()},
        language=language,
        inside=rows(inside()),
        request=rows(request(environ)),
    )


def choose(accepted):
    """The language in an Accept-Language value with the highest weight that we have."""
    wanted = []
    for part in accepted.split(","):
        tag, _, parameters = part.partition(";")
        _, _, weight = parameters.partition("q=")
        try:
            wanted.append((float(weight or 1), tag.strip().lower().split("-")[0]))
        except ValueError:
            continue
    wanted.sort(key=lambda pair: pair[0], reverse=True)
    return next((tag for weight, tag in wanted if weight and tag in LANGUAGES), "en")


def inside():
    return {
        "Python": sys.version,
        "OpenSSL": ssl.OPENSSL_VERSION,
        "SQLite": sqlite3.sqlite_version,
        "System": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "Worker": f"pid {os.getpid()}",
        "sys.executable": sys.executable,
        "__file__": __file__,
    }


def request(environ):
    """The strings of the environ, without what the server adds for the app."""
    return {
        name: value
        for name, value in sorted(environ.items())
        if isinstance(value, str) and name.isupper()
    }


def rows(table):
    return "\n".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(str(value))}</td></tr>'
        for name, value in table.items()
    )
