"""The `gunicorn` command."""

import sys

from _rgunicorn import embedded
from gunicorn import util
from gunicorn.app.base import Application
from gunicorn.errors import ConfigError


class WSGIApplication(Application):
    """The app that APP_MODULE names."""

    def init(self, parser, opts, args):
        self.app_uri = None
        if args:
            self.cfg.set("default_proc_name", args[0])
            self.app_uri = args[0]

    def load_config(self):
        super().load_config()
        if self.app_uri is None:
            self.app_uri = self.cfg.wsgi_app
        if self.app_uri is None:
            raise ConfigError("No application module specified.")

    def load_wsgiapp(self):
        return util.import_app(self.app_uri)

    def load_pasteapp(self):
        from gunicorn.app.pasterapp import get_wsgi_app

        return get_wsgi_app(self.cfg.paste, defaults=self.cfg.paste_global_conf)

    def load(self):
        return self.load_wsgiapp() if self.cfg.paste is None else self.load_pasteapp()


def run(prog=None):
    """Becomes the server with the arguments of this script."""
    asks = not {"-h", "--help", "-v", "--version"}.isdisjoint(sys.argv)
    if embedded.serving or (embedded.has_packages_of_a_zip() and not asks):
        # The server accepts them only as arguments of a script.
        WSGIApplication("%(prog)s [OPTIONS] [APP_MODULE]", prog=prog or "rgunicorn").run()
    else:
        embedded.become_server(sys.argv[1:])


if __name__ == "__main__":
    run()
