"""Replaces `encodings`, the first module that a starting interpreter imports: installs
our importer, then imports the real module in its place."""

import _rgunicorn_importer

_rgunicorn_importer.install()
_rgunicorn_importer.replace(__name__)
