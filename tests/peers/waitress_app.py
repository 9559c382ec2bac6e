"""The fixture app of waitress in FIXTURE, with the one key that only waitress sets in
the environ."""

import importlib
import os

module, name = os.environ["FIXTURE"].split(":")
fixture = getattr(importlib.import_module(module), name)


def app(environ, start_response):
    environ["REMOTE_HOST"] = environ["REMOTE_ADDR"]
    return fixture(environ, start_response)
