"""The settings: one class for each, made from the server's table, and `cfg`, which
holds all of them."""

import copy
import inspect
import os
import re
import sys

from _rgunicorn.defaults import SETTINGS
from _rgunicorn.validators import (
    HTTP_PROTOCOLS,
    validate_asgi_lifespan,
    validate_asgi_loop,
    validate_bool,
    validate_callable,
    validate_chdir,
    validate_class,
    validate_dict,
    validate_file_exists,
    validate_group,
    validate_header_map_behaviour,
    validate_http2_cleartext,
    validate_http2_frame_size,
    validate_http2_stream_limit,
    validate_http2_window_size,
    validate_http_parser,
    validate_http_protocols,
    validate_list_of_files_or_patterns,
    validate_list_string,
    validate_pos_int,
    validate_post_request,
    validate_proxy_protocol,
    validate_reload_engine,
    validate_ssl_version,
    validate_statsd_address,
    validate_string,
    validate_string_to_addr_list,
    validate_string_to_list,
    validate_user,
)
from gunicorn import __version__, util
from gunicorn.errors import ConfigError

PLATFORM = sys.platform
VALID_HTTP_PROTOCOLS = HTTP_PROTOCOLS
ALPN_PROTOCOL_MAP = {"h1": "http/1.1", "h2": "h2"}
KNOWN_SETTINGS = []


def auto_int(_, x):
    """An integer, octal if it begins with 0."""
    return int(re.sub(r"^0(?=\d)", "0o", x), 0)


def get_default_config_file():
    path = os.path.join(os.getcwd(), "gunicorn.conf.py")
    return path if os.path.exists(path) else None


class SettingMeta(type):
    """Collects the classes of settings."""

    def __init__(cls, name, bases, attrs):
        super().__init__(name, bases, attrs)
        if any(isinstance(base, SettingMeta) for base in bases):
            cls.order = len(KNOWN_SETTINGS)
            cls.fmt_desc(cls.desc or "")
            if not isinstance(attrs.get("validator"), staticmethod):
                cls.validator = staticmethod(cls.validator)
            KNOWN_SETTINGS.append(cls)

    def fmt_desc(cls, desc):
        cls.desc = inspect.cleandoc(desc)
        cls.short = cls.desc.partition("\n")[0]


class Setting(metaclass=SettingMeta):
    """One setting and its value. The settings of the table derive from it. Others may,
    too, and are added to `KNOWN_SETTINGS`."""

    name = None
    value = None
    section = None
    cli = None
    validator = None
    type = None
    meta = None
    action = None
    default = None
    short = None
    desc = None
    nargs = None
    const = None
    order = 0

    def __init__(self):
        if self.default is not None:
            self.value = self.validator(self.default)

    def add_option(self, parser):
        """Adds its flags to a parser of `argparse`."""
        if not self.cli:
            return
        options = {
            "dest": self.name,
            "action": self.action or "store",
            "help": f"{self.short} [{self.default}]".replace("%", "%%"),
            "metavar": self.meta,
            "nargs": self.nargs,
            "const": self.const,
        }
        if options["action"] == "store":
            options["type"] = self.type or str
        given = {key: value for key, value in options.items() if value is not None}
        # With None one can see which options were given.
        parser.add_argument(*self.cli, default=None, **given)

    def copy(self):
        return copy.copy(self)

    def get(self):
        return self.value

    def set(self, val):
        if not callable(self.validator):
            raise TypeError(f"Invalid validator: {self.name}")
        self.value = self.validator(val)
        # The server itself checks what a script has set.
        self.given = val

    def __lt__(self, other):
        return self.section == other.section and self.order < other.order

    def __repr__(self):
        kind = type(self)
        return f"<{kind.__module__}.{kind.__name__} object with value {self.value!r}>"


# Class names that cannot be made from the name of the setting.
_CLASS_NAMES = {
    "config": "ConfigFile",
    "wsgi_app": "WSGIApp",
    "threads": "WorkerThreads",
    "check_config": "ConfigCheck",
    "raw_env": "Env",
    "secure_scheme_headers": "SecureSchemeHeader",
    "forwarded_allow_ips": "ForwardedAllowIPS",
    "accesslog": "AccessLog",
    "errorlog": "ErrorLog",
    "logconfig": "LogConfig",
    "logconfig_dict": "LogConfigDict",
    "logconfig_json": "LogConfigJson",
    "syslog_addr": "SyslogTo",
    "enable_backlog_metric": "BacklogMetric",
    "proc_name": "Procname",
    "pythonpath": "PythonPath",
    "pre_fork": "Prefork",
    "post_fork": "Postfork",
    "nworkers_changed": "NumWorkersChanged",
    "ssl_context": "NewSSLContext",
    "proxy_allow_ips": "ProxyAllowFrom",
    "uwsgi_allow_ips": "UWSGIAllowFrom",
    "keyfile": "KeyFile",
    "certfile": "CertFile",
    "ssl_version": "SSLVersion",
    "ca_certs": "CACerts",
    "suppress_ragged_eofs": "SuppressRaggedEOFs",
    "http_protocols": "HTTPProtocols",
    "http2_cleartext": "HTTP2Cleartext",
    "http2_max_concurrent_streams": "HTTP2MaxConcurrentStreams",
    "http2_initial_window_size": "HTTP2InitialWindowSize",
    "http2_max_frame_size": "HTTP2MaxFrameSize",
    "http2_max_header_list_size": "HTTP2MaxHeaderListSize",
    "raw_paste_global_conf": "PasteGlobalConf",
    "permit_unconventional_http_method": "PermitUnconventionalHTTPMethod",
    "permit_unconventional_http_version": "PermitUnconventionalHTTPVersion",
    "casefold_http_method": "CasefoldHTTPMethod",
    "asgi_loop": "ASGILoop",
    "asgi_lifespan": "ASGILifespan",
    "asgi_disconnect_grace_period": "ASGIDisconnectGracePeriod",
    "websocket_max_message_size": "WebSocketMaxMessageSize",
}

# Validators that differ from the one of the kind.
_VALIDATORS = {
    "worker_class": validate_class,
    "logger_class": validate_class,
    "reload_engine": validate_reload_engine,
    "reload_extra_files": validate_list_of_files_or_patterns,
    "chdir": validate_chdir,
    "user": validate_user,
    "group": validate_group,
    "secure_scheme_headers": validate_dict,
    "logconfig_dict": validate_dict,
    "forwarded_allow_ips": validate_string_to_addr_list,
    "proxy_allow_ips": validate_string_to_addr_list,
    "uwsgi_allow_ips": validate_string_to_addr_list,
    "forwarder_headers": validate_string_to_list,
    "statsd_host": validate_statsd_address,
    "post_request": validate_post_request,
    "proxy_protocol": validate_proxy_protocol,
    "ssl_version": validate_ssl_version,
    "cert_reqs": validate_pos_int,
    "http_protocols": validate_http_protocols,
    "http2_cleartext": validate_http2_cleartext,
    "http2_max_concurrent_streams": validate_http2_stream_limit,
    "http2_initial_window_size": validate_http2_window_size,
    "http2_max_frame_size": validate_http2_frame_size,
    "header_map": validate_header_map_behaviour,
    "asgi_loop": validate_asgi_loop,
    "asgi_lifespan": validate_asgi_lifespan,
    "http_parser": validate_http_parser,
}

# What argparse and the validators need for each kind in the table.
_KINDS = {
    "text": lambda meta: {"meta": meta},
    "number": lambda meta: {"meta": meta, "type": int, "validator": validate_pos_int},
    "mode": lambda meta: {
        "meta": meta,
        "type": auto_int,
        "validator": validate_pos_int,
    },
    "list": lambda meta: {"meta": meta, "action": "append", "validator": validate_list_string},
    "switch": lambda _: {"action": "store_true", "validator": validate_bool},
    "off": lambda _: {"action": "store_const", "const": False, "validator": validate_bool},
    "optional": lambda more: {"meta": more[0], "nargs": "?", "const": more[1]},
    # The default of a hook does nothing.
    "hook": lambda names: {
        "type": callable,
        "validator": validate_callable(len(names)),
        "default": eval(f"lambda {', '.join(names)}: None"),
    },
}

_DEFAULTS = {
    "chdir": util.getcwd(),
    "user": os.geteuid(),
    "group": os.getegid(),
    "ssl_context": lambda config, default_ssl_context_factory: default_ssl_context_factory(),
}


def _define(name, default, section, flags, kind, more, desc):
    """The class for a row of the table."""
    row = {
        "name": name,
        "section": section,
        "cli": flags or None,
        "desc": desc,
        "validator": validate_string,
        "default": default,
        "__module__": __name__,
        **_KINDS[kind](more),
    }
    for values, field in ((_VALIDATORS, "validator"), (_DEFAULTS, "default")):
        row[field] = values.get(name, row[field])
    row["validator"] = staticmethod(row["validator"])
    if kind == "hook":
        row["default"] = row[name] = staticmethod(row["default"])
    words = [word.capitalize() for word in name.split("_")]
    return SettingMeta(_CLASS_NAMES.get(name, "".join(words)), (Setting,), row)


for _name, _row in SETTINGS.items():
    _class = _define(_name, *_row)
    globals()[_class.__name__] = _class

# Environment variables that give a default.
_VARIABLES = {
    "bind": ("PORT", "0.0.0.0:{}"),
    "workers": ("WEB_CONCURRENCY", "{}"),
    "forwarded_allow_ips": ("FORWARDED_ALLOW_IPS", "{}"),
}

# Settings that have another type in `cfg` than in the server, which has already checked
# them.
_CONVERSIONS = {
    "forwarded_allow_ips": validate_string_to_list,
    "proxy_allow_ips": validate_string_to_list,
    "uwsgi_allow_ips": validate_string_to_list,
    "forwarder_headers": validate_string_to_list,
    "http_protocols": validate_string_to_list,
    "statsd_host": validate_statsd_address,
}


def make_settings(ignore=None):
    """Every setting with its default, by name."""
    settings = [kind() for kind in KNOWN_SETTINGS]
    return {one.name: one for one in settings if one.name not in (ignore or ())}


class Config:
    """Every setting as an attribute; `set` changes it. Changes have an effect until the
    server has read it."""

    # The log of the server that has read the settings.
    reader = None

    def __init__(self, usage=None, prog=None):
        self.settings = make_settings()
        self.usage = usage
        self.prog = prog or os.path.basename(sys.argv[0] if sys.argv else "rgunicorn")
        self.env_orig = os.environ.copy()
        for name, (variable, form) in _VARIABLES.items():
            if text := os.environ.get(variable):
                setting = self.settings[name]
                setting.value = setting.validator(form.format(text))

    @classmethod
    def of_server(cls, values):
        """With the values that the server has read and checked."""
        self = cls.__new__(cls)
        self.settings = {}
        self.usage = None
        self.prog = "rgunicorn"
        self.env_orig = os.environ.copy()
        for kind in KNOWN_SETTINGS:
            setting = kind.__new__(kind)
            value = values.get(kind.name)
            setting.value = kind.default if value is None else value
            if convert := _CONVERSIONS.get(kind.name):
                setting.value = convert(setting.value)
            self.settings[kind.name] = setting
        return self

    def __getattr__(self, name):
        settings = self.__dict__.get("settings", {})
        if name not in settings:
            raise AttributeError(f"No configuration setting for: {name}")
        return settings[name].get()

    def __setattr__(self, name, value):
        if name in self.__dict__.get("settings", {}):
            raise AttributeError("Invalid access!")
        super().__setattr__(name, value)

    def __str__(self):
        width = max(map(len, self.settings))
        lines = []
        for name in sorted(self.settings):
            value = self.settings[name].value
            if callable(value):
                value = f"<{value.__qualname__}()>"
            lines.append(f"{name:{width}} = {value}")
        return "\n".join(lines)

    def set(self, name, value):
        if name not in self.settings:
            raise AttributeError(f"No configuration setting for: {name}")
        before = self.settings[name].get()
        self.settings[name].set(value)
        if self.reader is not None and self.settings[name].get() != before:
            self.reader.warning(
                "The setting %s is changed by a hook, when the server has read it already: "
                "set it in the config file itself.",
                name,
            )

    def validate(self):
        """The server itself checks settings that contradict each other."""

    def get_cmd_args_from_env(self):
        import shlex

        return shlex.split(self.env_orig.get("GUNICORN_CMD_ARGS", ""))

    def parser(self):
        """An `argparse` parser with the flags of all settings."""
        import argparse

        parser = argparse.ArgumentParser(usage=self.usage, prog=self.prog)
        parser.add_argument(
            "-v",
            "--version",
            action="version",
            default=argparse.SUPPRESS,
            version=f"%(prog)s (version {__version__})\n",
        )
        parser.add_argument("args", nargs="*", help=argparse.SUPPRESS)
        for setting in self.settings.values():
            setting.add_option(parser)
        return parser

    @property
    def worker_class_str(self):
        named = self.settings["worker_class"].get()
        if not isinstance(named, str):
            return named.__name__
        is_sync = named == "sync" or named.endswith("SyncWorker")
        return "gthread" if is_sync and self.threads > 1 else named

    @property
    def worker_class(self):
        from gunicorn.workers import OTHER_WORKERS

        named = self.settings["worker_class"].get()
        if isinstance(named, str):
            named = OTHER_WORKERS.get(named, self.worker_class_str)
        return util.load_class(named)

    @property
    def logger_class(self):
        """The class; Gunicorn's class with metrics if there is a statsd host."""
        from _rgunicorn.settings import load_class

        named = self.settings["logger_class"].get()
        if named in ("simple", LoggerClass.default):
            module = "instrument.statsd.Statsd" if self.statsd_host else "glogging.Logger"
            named = f"gunicorn.{module}"
        logger = load_class("logger_class", named)
        if hasattr(logger, "install"):
            logger.install()
        return logger

    @property
    def address(self):
        return [util.parse_address(util.bytes_to_str(bind)) for bind in self.bind]

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
    def sendfile(self):
        return self.settings["sendfile"].get() is not False

    @property
    def reuse_port(self):
        return self.settings["reuse_port"].get()

    @property
    def env(self):
        return _pairs(self.raw_env, "=")

    @property
    def paste_global_conf(self):
        pairs = _pairs(self.raw_paste_global_conf, r"(?<!\\)=")
        return {key.replace(r"\=", "="): value.replace(r"\=", "=") for key, value in pairs.items()}

    @property
    def is_ssl(self):
        return self.certfile or self.keyfile

    @property
    def ssl_options(self):
        settings = self.settings.values()
        return {one.name: one.get() for one in settings if one.section == "SSL"}

    def forwarded_allow_networks(self):
        return _networks(self.forwarded_allow_ips)

    def proxy_allow_networks(self):
        return _networks(self.proxy_allow_ips)


def __getattr__(name):
    # Rarely used, and it has many modules.
    if name == "reloader_engines":
        from gunicorn.reloader import reloader_engines

        return reloader_engines
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _pairs(items, separator):
    pairs = {}
    for item in map(util.bytes_to_str, items or ()):
        key, *value = re.split(separator, item, maxsplit=1)
        if not value:
            raise RuntimeError(f"environment setting {item!r} invalid")
        pairs[key] = value[0]
    return pairs


def _networks(texts):
    import ipaddress

    return [ipaddress.ip_network(text) for text in texts if text != "*"]
