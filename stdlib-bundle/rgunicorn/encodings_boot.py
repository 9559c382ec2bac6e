"""Stands in for `encodings`, the first module that a starting interpreter
imports: puts our importer in place, and then the real one in its own."""

import _rgunicorn_importer

_rgunicorn_importer.install()
_rgunicorn_importer.replace(__name__)
