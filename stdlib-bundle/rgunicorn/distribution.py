"""What `importlib.metadata` says of the carried `gunicorn` in the server."""

import pathlib
from importlib import metadata


class Gunicorn(metadata.Distribution):
    """The distribution of this name, of which an installed one would be another."""

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
