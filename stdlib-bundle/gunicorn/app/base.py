"""Applications that have their own command line."""

import importlib
import os
import sys

from _rgunicorn import config_file, embedded
from gunicorn import util
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config, get_default_config_file


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
        try:
            self.load_default_config()
            self.load_config()
            self.cfg.validate()
        except Exception as error:
            print(f"\nError: {error}", file=sys.stderr, flush=True)
            sys.exit(1)

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
        """Becomes the server: the master runs the script again."""
        embedded.run(self)


class Application(BaseApplication):
    """An application that reads the command line, the config file and
    `GUNICORN_CMD_ARGS`."""

    def chdir(self):
        os.chdir(self.cfg.chdir)
        if self.cfg.chdir not in sys.path:
            sys.path.insert(0, self.cfg.chdir)

    def get_config_from_filename(self, filename):
        if not os.path.exists(filename):
            raise RuntimeError(f"{filename!r} doesn't exist")
        if not filename.endswith(".py"):
            util.warn("configuration file should have a valid Python extension.\n")
        return self._read(filename, config_file.run)

    def get_config_from_module_name(self, module_name):
        return vars(importlib.import_module(module_name))

    def load_config_from_module_name_or_filename(self, location):
        if location.startswith("python:"):
            values = self.get_config_from_module_name(location.removeprefix("python:"))
        else:
            values = self.get_config_from_filename(location.removeprefix("file:"))
        for name, value in values.items():
            if name in self.cfg.settings:
                try:
                    self.cfg.set(name, value)
                except Exception:
                    print(f"Invalid value for {name}: {value}\n", file=sys.stderr, flush=True)
                    raise
        return values

    def load_config_from_file(self, filename):
        return self.load_config_from_module_name_or_filename(filename)

    def load_config(self):
        parser = self.cfg.parser()
        line = parser.parse_args()
        own = self.init(parser, line, line.args)
        self.chdir()
        for name, value in (own or {}).items():
            self.cfg.set(name.lower(), value)
        more = parser.parse_args(self.cfg.get_cmd_args_from_env())
        location = line.config or more.config or get_default_config_file()
        if location is not None:
            self.load_config_from_file(location)
        # The command line wins.
        for given in (more, line):
            for name, value in vars(given).items():
                if name != "args" and value is not None:
                    self.cfg.set(name.lower(), value)
        # The config file may have set another folder.
        self.chdir()

    @staticmethod
    def _read(path, run):
        try:
            return run(path)
        except Exception:
            import traceback

            print(f"Failed to read config file: {path}", file=sys.stderr)
            traceback.print_exc()
            sys.exit(1)


__all__ = ["Application", "Arbiter", "BaseApplication", "Config", "get_default_config_file"]
