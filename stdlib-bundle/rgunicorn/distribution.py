"""What `importlib.metadata` reports for the included `gunicorn` in the server."""

import pathlib
from importlib import metadata


class Gunicorn(metadata.Distribution):
    """The distribution with this name. An installed one would be another version."""

    def read_text(self, filename):
        import gunicorn

        if filename == "METADATA":
            version = gunicorn.__version__
            return f"Metadata-Version: 2.1\nName: gunicorn\nVersion: {version}\n"

    def locate_file(self, path):
        import gunicorn

        return pathlib.Path(gunicorn.__path__[0]).parent / path


def find(context):
    if context is None or context.name in (None, "gunicorn"):
        yield Gunicorn()
