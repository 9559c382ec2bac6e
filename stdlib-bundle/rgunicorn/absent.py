"""Parts of Gunicorn that do not exist here in Python, as the server does them itself.
Their names can be imported and derived from; using them raises one sentence."""

import ast
import importlib
import importlib.machinery
import sys
import types


def package(name, why, contents):
    """Makes the modules of a package that does not exist here. Each line of `contents`
    has a module's name with a colon, then its content, as in `fill`."""
    for word in contents.split():
        if word.endswith(":"):
            short = word[:-1]
            module = types.ModuleType(f"{name}.{short}", f"Not here: {why}.")
            module.__spec__ = importlib.machinery.ModuleSpec(module.__name__, None)
            sys.modules[module.__name__] = module
            setattr(sys.modules[name], short, module)
        else:
            fill(vars(module), why, word)


def fill(namespace, why, contents):
    """Adds names to a module: a class if the name begins with a capital letter, an
    exception with `!`, a constant with `=`, else a function."""
    for word in contents.split():
        name, equals, value = word.partition("=")
        made = ast.literal_eval(value) if equals else _make(namespace["__name__"], name, why)
        namespace[name.rstrip("!")] = made


def elsewhere(module, places):
    """The `__getattr__` of a module that also has names from other modules, which are
    rarely used. `places` has the names by module."""
    found = {name: place for place, names in places.items() for name in names.split()}

    def __getattr__(name):
        if name in found:
            return getattr(importlib.import_module(found[name]), name)
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return __getattr__


# Names of HTTP/2 that Gunicorn's workers also have.
OF_HTTP2 = {
    "gunicorn.http.errors": "InvalidH2CPreface",
    "gunicorn.http2.errors": "HTTP2ConnectionError HTTP2ProtocolError HTTP2StreamError",
    "gunicorn.http2.response": "HTTP2Response",
    "gunicorn.http2.stream": "StreamState",
}


class Absent(type):
    """The metaclass of classes that cannot be used. They have every method."""

    def __call__(cls, *args, **kwargs):
        raise RuntimeError(cls._refusal)

    def __getattr__(cls, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return _refuse(name, cls._refusal)


def _make(module, name, why):
    if name.endswith("!"):
        return type(name[:-1], (Exception,), {"__module__": module})
    refusal = f"{module}.{name} cannot be used here: {why}."
    if name[0].isupper():
        return Absent(name, (), {"__module__": module, "_refusal": refusal})
    return _refuse(name, refusal)


def _refuse(name, refusal):
    def function(*args, **kwargs):
        raise RuntimeError(refusal)

    function.__name__ = function.__qualname__ = name
    return function
