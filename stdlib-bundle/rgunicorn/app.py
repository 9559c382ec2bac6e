"""Loads the app that APP_MODULE names, or that is found by convention.

`ast` and `inspect` are imported only for apps that need them: together they take longer
than the rest of the start.
"""

import gc
import importlib
import os
import sys
from keyword import iskeyword

from _rgunicorn import current

NAMES = ("application", "app")
FACTORIES = ("create_app", "make_app")


class AppImportError(Exception):
    """The module exists, but the app in it does not."""


FUNCTION = type(lambda: None)

# Of a code object, as in the module `inspect`.
VARARGS, VARKEYWORDS, COROUTINE = 4, 8, 128


def _collecting_seldom(load):
    """Nearly all objects that an import makes stay, and the garbage collector would
    check them again and again. So it runs less often until the app is loaded."""

    def wrapped(*args):
        usual = gc.get_threshold()
        seldom = (max(usual[0], 50_000), *usual[1:]) if usual[0] else usual
        gc.set_threshold(*seldom)
        try:
            return load(*args)
        finally:
            # A value that the app has set is kept.
            if gc.get_threshold() == seldom:
                gc.set_threshold(*usual)

    return wrapped


@_collecting_seldom
def load(uri):
    """The app of `module`, `module:name`, `module:name.attribute` or
    `module:factory(...)` with literal arguments."""
    module_name, _, expression = uri.partition(":")
    expression = expression or "application"
    target, call = _parse(expression)
    app = _import(module_name, expression)
    for name in target.split("."):
        try:
            app = getattr(app, name)
        except AttributeError:
            raise AppImportError(
                f"Failed to find attribute {name!r} in {module_name!r}."
            ) from None
    if call is not None:
        app = _call(app, *call)
    return _checked(app, uri)


@_collecting_seldom
def find(modules, django_settings, asgi):
    """The app with a conventional name in one of `modules`; else that of the Django
    project with these settings, as an ASGI app if `asgi`. Any of them may be
    missing."""
    for module_name in modules:
        module = importlib.import_module(module_name)
        for name in NAMES:
            app = getattr(module, name, None)
            # A module of that name (`from . import app`) is not an app.
            if app is not None and not isinstance(app, type(sys)):
                return _checked(app, f"{module_name}:{name}")
        for name in FACTORIES:
            factory = getattr(module, name, None)
            if callable(factory):
                return _checked(_call(factory, (), {}), f"{module_name}:{name}()")
    if django_settings is not None:
        return _checked(_django(django_settings, asgi), "manage.py")
    looked_for = ", ".join([*NAMES, *(f"{name}()" for name in FACTORIES)])
    places = " or ".join(map(repr, modules))
    raise AppImportError(
        f"Failed to find an application in {places}: looked for {looked_for}. "
        "Name it as APP_MODULE, such as 'module:name'."
    )


def _parse(expression):
    """The dotted name in `expression` and, if it is a call, its arguments."""
    if all(name.isidentifier() and not iskeyword(name) for name in expression.split(".")):
        return expression, None
    import ast

    failure = AppImportError(
        f"Failed to parse {expression!r} as an attribute name or function call."
    )
    try:
        node = ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        raise failure from None
    call = None
    if isinstance(node, ast.Call):
        try:
            args = [ast.literal_eval(value) for value in node.args]
            kwargs = {word.arg: ast.literal_eval(word.value) for word in node.keywords}
        except ValueError:
            raise AppImportError(
                f"Failed to parse the arguments in {expression!r}: "
                "only literal values can be given."
            ) from None
        if None in kwargs:  # **mapping
            raise failure
        call = args, kwargs
        node = node.func
    names = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise failure
    return ".".join([node.id, *reversed(names)]), call


def _import(module_name, expression):
    try:
        return importlib.import_module(module_name)
    except ImportError:
        if module_name.endswith(".py") and os.path.exists(module_name):
            raise ImportError(
                "Failed to find application, did you mean "
                f"'{module_name.removesuffix('.py')}:{expression}'?"
            ) from None
        raise


def _call(factory, args, kwargs):
    if not callable(factory):
        raise AppImportError("Application factory must be callable.")
    try:
        return factory(*args, **kwargs)
    except TypeError as error:
        # The call itself raised it, and not code inside: the arguments do not fit.
        if error.__traceback__.tb_next is None:
            raise AppImportError(f"TypeError: {error}") from None
        raise


def _django(settings, asgi):
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", settings)
    from django.conf import settings

    wsgi = settings.WSGI_APPLICATION
    # A setting of Channels, which Django itself does not have.
    named = getattr(settings, "ASGI_APPLICATION", None) if asgi or not wsgi else wsgi
    if named:
        module_name, _, name = named.rpartition(".")
        return getattr(importlib.import_module(module_name), name)
    if asgi:
        from django.core.asgi import get_asgi_application

        return get_asgi_application()
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()


def _checked(app, uri):
    if app is None:
        raise AppImportError(f"Failed to find application object: {uri!r}")
    if not callable(app):
        raise AppImportError("Application object must be callable.")
    if isinstance(app, type) and _required(app) == ["scope"]:
        raise AppImportError(
            f"{uri!r} is an ASGI 2 application, and ASGI 3 is spoken here: wrap it "
            "with asgiref.compatibility.guarantee_single_callable."
        )
    return app


def protocol(app):
    """How the app is called: "asgi", "wsgi" or "tornado"."""
    # If it is a class, its instances are called.
    if isinstance(app, type):
        return "wsgi"
    if _is_coroutine_function(app):
        return "asgi"
    if _required(app) == ["scope", "receive", "send"]:
        return "asgi"
    tornado = sys.modules.get("tornado.httputil")
    if tornado and isinstance(app, tornado.HTTPServerConnectionDelegate):
        return "tornado"
    return "wsgi"


def _is_coroutine_function(app):
    if _is_plain(app):
        return bool(app.__code__.co_flags & COROUTINE)
    from inspect import iscoroutinefunction

    return iscoroutinefunction(app) or iscoroutinefunction(getattr(app, "__call__", None))


def _required(function):
    """The names of the arguments that are required."""
    if _is_plain(function):
        code = function.__code__
        names = code.co_varnames[: code.co_argcount]
        return [*names[: len(names) - len(function.__defaults__ or ())]]
    import inspect

    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    return [it.name for it in parameters if it.default is it.empty]


def _is_plain(app):
    """Whether it is a function of positional arguments, without attributes that change
    what `inspect` says about it."""
    if type(app) is not FUNCTION or app.__dict__:
        return False
    code = app.__code__
    return not (code.co_kwonlyargcount or code.co_flags & (VARARGS | VARKEYWORDS))
