"""The `gunicorn` command."""

import sys

from _rgunicorn import embedded
from gunicorn.app.base import Application


class WSGIApplication(Application):
    """In Gunicorn, the app that APP_MODULE names."""


def run(prog=None):
    """Becomes the server with the arguments of this script."""
    embedded.become_server(sys.argv[1:])


if __name__ == "__main__":
    run()
