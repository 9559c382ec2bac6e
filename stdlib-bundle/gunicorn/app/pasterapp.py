"""Apps from an ini file of Paste Deployment."""

import configparser
import os

from gunicorn.app.wsgiapp import WSGIApplication
from gunicorn.config import get_default_config_file


def get_wsgi_app(config_uri, name=None, defaults=None):
    from paste.deploy import loadapp

    if ":" not in config_uri:
        config_uri = f"config:{config_uri}"
    return loadapp(config_uri, name=name, relative_to=os.getcwd(), global_conf=defaults)


def has_logging_config(config_file):
    parser = configparser.ConfigParser()
    parser.read([config_file])
    return parser.has_section("loggers")


def serve(app, global_conf, **local_conf):
    """Called for `use = egg:gunicorn#main` in a section `[server:main]`."""
    ini_file = global_conf["__file__"]
    config_file = local_conf.pop("config", None) or get_default_config_file()
    host, port = local_conf.pop("host", ""), local_conf.pop("port", "")
    if host:
        local_conf["bind"] = f"{host}:{port}" if port else host.split(",")

    class PasterServerApplication(WSGIApplication):
        def load_config(self):
            self.cfg.set("default_proc_name", ini_file)
            if has_logging_config(ini_file):
                self.cfg.set("logconfig", ini_file)
            if config_file is not None:
                self.load_config_from_file(config_file)
            for name, value in local_conf.items():
                if value is not None:
                    self.cfg.set(name.lower(), value)

        def load(self):
            return app

    PasterServerApplication().run()


__all__ = ["WSGIApplication", "get_default_config_file", "get_wsgi_app", "has_logging_config", "serve"]
