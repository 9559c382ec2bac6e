"""The validators of the settings: each returns the value for `cfg`, or raises an
exception."""

import grp
import inspect
import os
import pwd
import sys

from _rgunicorn import config_file
from gunicorn import util
from gunicorn.errors import ConfigError

HTTP_PROTOCOLS = frozenset(("h1", "h2"))


def validate_bool(val):
    if val is None or isinstance(val, bool):
        return val
    if not isinstance(val, str):
        raise TypeError(f"Invalid type for casting: {val}")
    words = {"true": True, "false": False}
    try:
        return words[val.strip().lower()]
    except KeyError:
        raise ValueError(f"Invalid boolean: {val}") from None


def validate_dict(val):
    if not isinstance(val, dict):
        raise TypeError(f"Value is not a dictionary: {val} ")
    return val


def validate_pos_int(val):
    number = int(val) if isinstance(val, int) else int(val, 0)
    if number < 0:
        raise ValueError(f"Value must be positive: {number}")
    return number


def _number_between(low, high):
    def validate(val):
        number = validate_pos_int(val)
        if not low <= number <= high:
            raise ValueError(f"Value must be from {low} to {high}: {number}")
        return number

    return validate


validate_http2_window_size = _number_between(0, 2**31 - 1)
validate_http2_stream_limit = _number_between(1, sys.maxsize)
validate_http2_frame_size = _number_between(2**14, 2**24 - 1)


def validate_string(val):
    if val is None:
        return None
    if not isinstance(val, str):
        raise TypeError(f"Not a string: {val}")
    return val.strip()


def _one_of(what, words, default, others=()):
    """A validator for text that must be one of these words or an alias."""
    meant = {word: word for word in words} | dict(others)

    def validate(val):
        if val is None:
            return default
        if isinstance(val, bool) and val in meant:
            return meant[val]
        if not isinstance(val, str):
            raise TypeError(f"Invalid type for casting: {val}")
        try:
            return meant[val.strip().lower()]
        except KeyError:
            raise ValueError(f"Invalid {what}: {val}") from None

    return validate


validate_asgi_loop = _one_of("asgi_loop", ("auto", "asyncio", "uvloop"), "auto")
validate_asgi_lifespan = _one_of("asgi_lifespan", ("auto", "on", "off"), "auto")
validate_http_parser = _one_of("http_parser", ("auto", "fast", "python"), "auto")
validate_header_map_behaviour = _one_of("header_map", ("drop", "refuse", "dangerous"), None)
validate_proxy_protocol = _one_of(
    "proxy_protocol",
    ("off", "v1", "v2", "auto"),
    "off",
    {"false": "off", "0": "off", "none": "off", False: "off"}
    | {"true": "auto", "1": "auto", True: "auto"},
)
validate_http2_cleartext = _one_of(
    "http2_cleartext",
    ("off", "prior-knowledge", "upgrade", "both"),
    "off",
    {False: "off", True: "prior-knowledge"},
)


def validate_ssl_version(val):
    return val


def validate_file_exists(val):
    if val is not None and not os.path.exists(val):
        raise ValueError(f"File {val} does not exists.")
    return val


def validate_list_string(val):
    if not val:
        return []
    return [validate_string(item) for item in ([val] if isinstance(val, str) else val)]


def validate_list_of_files_or_patterns(val):
    import glob
    import warnings

    items = validate_list_string(val)
    for item in items:
        if not util.is_glob_pattern(item):
            validate_file_exists(item)
        elif not glob.glob(item, recursive=True):
            warnings.warn(f"No file matches {item} now.", RuntimeWarning, stacklevel=2)
    return items


def validate_string_to_list(val):
    return [part.strip() for part in (validate_string(val) or "").split(",") if part]


def validate_string_to_addr_list(val):
    import ipaddress

    networks = validate_string_to_list(val)
    for network in networks:
        if network != "*":
            ipaddress.ip_network(network)
    return networks


def validate_http_protocols(val):
    protocols = [one.lower() for one in validate_string_to_list(val)] or ["h1"]
    for protocol in protocols:
        if protocol not in HTTP_PROTOCOLS:
            raise ValueError(f"Invalid HTTP protocol: {protocol}")
    return protocols


def validate_class(val):
    if inspect.isfunction(val) or inspect.ismethod(val):
        val = val()
    return val if inspect.isclass(val) else validate_string(val)


def validate_callable(arity):
    def validate(val):
        if isinstance(val, str):
            val = config_file.imported(val)
        if not callable(val):
            raise TypeError(f"Value is not callable: {val}")
        if arity != -1 and arity != util.get_arity(val):
            raise TypeError(f"Value must have an arity of: {arity}")
        return val

    return validate


def validate_post_request(val):
    val = validate_callable(-1)(val)
    match util.get_arity(val):
        case 4:
            return val
        case 3:
            return lambda worker, req, environ, resp: val(worker, req, environ)
        case 2:
            return lambda worker, req, environ, resp: val(worker, req)
    raise TypeError("Value must have an arity of: 4")


def _id_of(kind, current, find):
    def validate(val):
        if val is None:
            return current()
        if isinstance(val, int):
            return val
        if val.isdigit():
            return int(val)
        try:
            return find(val)
        except KeyError:
            raise ConfigError(f"No such {kind}: '{val}'") from None

    return validate


validate_user = _id_of("user", os.geteuid, lambda name: pwd.getpwnam(name).pw_uid)
validate_group = _id_of("group", os.getegid, lambda name: grp.getgrnam(name).gr_gid)


def validate_chdir(val):
    path = os.path.abspath(os.path.join(util.getcwd(), validate_string(val)))
    if not os.path.exists(path):
        raise ConfigError(f"can't chdir to {val!r}")
    return path


def validate_statsd_address(val):
    address = validate_string(val)
    if address is None:
        return None
    # A host may be called "unix"; a socket has a path.
    host, _, port = address.partition(":")
    if host == "unix" and port.isdigit():
        return host, int(port)
    try:
        return util.parse_address(address, default_port="8125")
    except RuntimeError:
        raise TypeError("Value must be one of ('host:port', 'unix://PATH')") from None


def validate_reload_engine(val):
    if val not in ("auto", "poll", "inotify"):
        raise ConfigError(f"Invalid reload_engine: {val!r}")
    return val
