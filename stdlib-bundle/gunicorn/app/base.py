"""Applications that are their own command line."""

import sys

from _rgunicorn import embedded
from gunicorn import util
from gunicorn.config import Config


class BaseApplication:
    """Derive from it, give the settings in `load_config` and the app in `load`,
    and call `run()` from a script."""

    def __init__(self, usage=None, prog=None):
        self.usage = usage
        self.prog = prog
        self.cfg = None
        self.callable = None
        self.logger = None
        self.do_load_config()

    def do_load_config(self):
        self.load_default_config()
        self.load_config()

    def load_default_config(self):
        self.cfg = Config(self.usage, prog=self.prog)

    def init(self, parser, opts, args):
        raise NotImplementedError

    def load(self):
        raise NotImplementedError

    def load_config(self):
        raise NotImplementedError

    def reload(self):
        self.do_load_config()

    def wsgi(self):
        if self.callable is None:
            self.callable = self.load()
        return self.callable

    def run(self):
        """Becomes the server: the script is run once more, by the master."""
        embedded.run(self)


class Application(BaseApplication):
    """In Gunicorn, one with the whole command line."""

    def chdir(self):
        util.chdir(self.cfg.chdir)

    def load_config(self):
        sys.exit(
            "Error: gunicorn.app.base.Application reads a command line of its own, which is not "
            "possible here; derive from BaseApplication and give the settings in load_config()."
        )
