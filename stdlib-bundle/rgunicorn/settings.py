"""The settings as Python code sees them: what Gunicorn calls `cfg`."""

import importlib
import inspect
import os


class Setting:
    """One setting with its value."""

    def __init__(self, name, value, section):
        self.name = name
        self.value = value
        self.section = section
        self.is_set = False

    def get(self):
        return self.value

    def __repr__(self):
        return f"<setting {self.name} = {self.value!r}>"


class Config:
    """Every setting as an attribute, in the type that Gunicorn gives it."""

    def __init__(self, values, sections):
        settings = {
            name: Setting(name, value, sections.get(name)) for name, value in values.items()
        }
        super().__setattr__("settings", settings)
        self.env_orig = os.environ.copy()
        # The log of the server that has read the settings.
        self.reader = None
        self.prog = "rgunicorn"
        self.usage = None

    def __getattr__(self, name):
        settings = self.__dict__.get("settings", {})
        if name not in settings:
            raise AttributeError(f"No configuration setting for: {name}")
        value = settings[name].get()
        convert = _TYPES.get(name)
        return convert(value) if convert else value

    def __setattr__(self, name, value):
        if name in self.settings:
            raise AttributeError("Invalid access!")
        super().__setattr__(name, value)

    def set(self, name, value):
        """Changes what this object says. The server itself has read its
        settings already, unless it is about to start."""
        if name not in self.settings:
            raise AttributeError(f"No configuration setting for: {name}")
        if self.reader is not None and value != self.settings[name].value:
            self.reader.warning(
                "The setting %s is changed by a hook, when the server has read it already: "
                "set it in the config file itself.",
                name,
            )
        self.settings[name].value = value
        self.settings[name].is_set = True

    def __str__(self):
        width = max(map(len, self.settings))
        lines = []
        for name in sorted(self.settings):
            value = self.settings[name].value
            if callable(value):
                value = f"<{value.__qualname__}()>"
            lines.append(f"{name:{width}} = {value}")
        return "\n".join(lines)

    @property
    def address(self):
        from gunicorn import util

        return [util.parse_address(bind) for bind in self.bind]

    @property
    def uid(self):
        return self.user

    @property
    def gid(self):
        return self.group

    @property
    def proc_name(self):
        return self.settings["proc_name"].get() or self.default_proc_name

    @property
    def env(self):
        return dict(item.split("=", 1) for item in self.raw_env)

    @property
    def is_ssl(self):
        return self.certfile or self.keyfile

    @property
    def ssl_options(self):
        settings = self.settings.values()
        return {one.name: one.get() for one in settings if one.section == "SSL"}

    @property
    def worker_class_str(self):
        value = self.settings["worker_class"].get()
        return value if isinstance(value, str) else value.__name__

    @property
    def worker_class(self):
        from gunicorn import workers

        value = self.settings["worker_class"].get()
        return workers.named(value) if isinstance(value, str) else value

    @property
    def logger_class(self):
        """The class; Gunicorn's with metrics if there is a statsd."""
        from gunicorn import glogging
        from gunicorn.instrument import statsd

        named = self.settings["logger_class"].get()
        if named in ("simple", "gunicorn.glogging.Logger"):
            return statsd.Statsd if self.statsd_host else glogging.Logger
        return load_class("logger_class", named)


def _list(text):
    return [part.strip() for part in text.split(",") if part.strip()]


def _statsd(text):
    if text is None or text.startswith("unix://"):
        return text and text.removeprefix("unix://")
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


# Gunicorn's types where they are not those of the table.
_TYPES = {
    "chdir": lambda folder: folder or os.getcwd(),
    "user": lambda uid: os.geteuid() if uid is None else uid,
    "group": lambda gid: os.getegid() if gid is None else gid,
    "forwarded_allow_ips": _list,
    "proxy_allow_ips": _list,
    "uwsgi_allow_ips": _list,
    "forwarder_headers": _list,
    "http_protocols": _list,
    "statsd_host": _statsd,
}


class Unusable(Exception):
    """Says in one sentence what is wrong with a setting."""


def load_class(setting, named):
    """The class that a setting gives or names."""
    if not isinstance(named, str):
        return named
    module, _, name = named.rpartition(".")
    try:
        if not module:
            raise ValueError("write it as module.Class")
        found = getattr(importlib.import_module(module), name)
        if not inspect.isclass(found):
            raise TypeError(f"{name} is no class")
        return found
    except Exception as error:
        if error.__traceback__.tb_next is not None and not isinstance(error, ImportError):
            raise
        reason = str(error).rstrip(".")
        raise Unusable(
            f"Invalid value for {setting}: {named!r} cannot be used: {reason}."
        ) from None
