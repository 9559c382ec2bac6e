"""Compares the public names of two packages `gunicorn`.

`list` prints those of the imported one as JSON: for each module its names, for each
function and method its parameters. `compare FILE` prints what such a list has and the
imported package lacks, and checks that names that cannot be used say so.
"""

import importlib
import inspect
import json
import pkgutil
import sys
import types

# Parts that the server does not have, or not in Python. Their names can be imported,
# and nothing more. (Their errors are like any others.)
ABSENT = ("gunicorn.asgi", "gunicorn.ctl", "gunicorn.dirty", "gunicorn.http2", "gunicorn.uwsgi")
THERE = ("gunicorn.dirty.app", "gunicorn.dirty.errors", "gunicorn.http2.errors", "gunicorn.uwsgi.errors")

# What is missing, with the reason.
EXCEPTIONS = {
    "default_doc": "words for Gunicorn's documentation",
    "gunicorn.asgi.parser CHUNK_EXT_RE": "patterns and tables of a parser that is not there",
    "gunicorn.asgi.parser PP_V2_SIGNATURE": "as above",
    "gunicorn.asgi.parser RFC9110_5_3_SINGLETON_FIELDS": "as above",
    "gunicorn.asgi.parser RFC9110_6_5_1_FORBIDDEN_TRAILER": "as above",
    "gunicorn.asgi.parser RFC9112_TARGET_INVALID": "as above",
    "gunicorn.asgi.protocol HEADER_VALUE_RE": "as above",
    "gunicorn.asgi.protocol TOKEN_RE": "as above",
    "gunicorn.dirty.protocol MSG_TYPE_FROM_STR": "as above",
    "gunicorn.dirty.protocol MSG_TYPE_TO_STR": "as above",
    "gunicorn.http2.negotiation H2C_PREFACE": "as above",
    "gunicorn.http2.negotiation UPGRADE_101": "as above",
    "gunicorn.http2.request RFC9110_5_5_INVALID_AND_DANGEROUS": "as above",
    "gunicorn.http2.request RFC9110_6_5_1_FORBIDDEN_TRAILER": "as above",
    "gunicorn.http2.request TOKEN_RE": "as above",
}

def is_absent(module):
    return module.startswith(ABSENT) and module not in THERE


def modules(package):
    yield package.__name__
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        if module.ispkg:
            yield from modules(importlib.import_module(module.name))
        elif not module.name.endswith("__main__"):
            yield module.name


def is_ours(module):
    return str(module).partition(".")[0] in ("gunicorn", "_rgunicorn")


def names(module):
    """The names of a module: its own, and those from other modules of the package."""
    found = {}
    for name, value in vars(module).items():
        if name.startswith("_") or isinstance(value, types.ModuleType):
            continue
        if not (inspect.isclass(value) or inspect.isroutine(value)):
            found[name] = {}
        elif is_ours(value.__module__):
            found[name] = {"from": value.__module__}
            if inspect.isclass(value):
                found[name]["members"] = members(value)
            else:
                found[name]["parameters"] = parameters(value)
    return found


def members(kind):
    found = {}
    for name in dir(kind):
        owners = [base.__module__ for base in kind.__mro__ if name in vars(base)]
        if not name.startswith("_") and owners and is_ours(owners[0]):
            value = getattr(kind, name)
            found[name] = parameters(value) if inspect.isfunction(value) else None
    return found


def parameters(function):
    return list(inspect.signature(function).parameters)


def listed(wanted):
    found = {}
    for module in wanted:
        try:
            found[module] = names(importlib.import_module(module))
        except (ImportError, RuntimeError) as error:
            # It needs a package that is not installed.
            print(f"{module}: {error}", file=sys.stderr)
    return found


def differences(theirs):
    ours = listed(theirs)
    for module, names in theirs.items():
        if module not in ours:
            yield module
            continue
        for name, what in names.items():
            if what.get("from", module) != module and is_absent(module):
                continue
            here = ours[module].get(name)
            if here is None:
                # It may be made when it is first used.
                if not hasattr(sys.modules[module], name):
                    yield f"{module} {name}"
            elif not is_absent(module) and "from" in what and not is_absent(what["from"]):
                value = getattr(sys.modules[module], name)
                yield from lacking(f"{module} {name}", what, here, value)


def lacking(name, what, here, value):
    if "members" in what:
        for member, its in what["members"].items():
            if not hasattr(value, member):
                if member not in EXCEPTIONS:
                    yield f"{name}.{member}"
            elif not fits(its, here["members"].get(member)):
                yield f"{name}.{member}({its}): {here['members'][member]}"
    elif not fits(what.get("parameters"), here.get("parameters")):
        yield f"{name}({what.get('parameters')}): {here.get('parameters')}"


def fits(wanted, given):
    """Whether a call for one signature also fits the other. Any arguments fit a
    function that refuses all, or leaves the work to the server."""
    return wanted is None or given is None or given[-2:] == ["args", "kwargs"] or wanted == given[: len(wanted)]


def refusals(theirs):
    """Absent names that do not say in one sentence that they cannot be used."""
    for module, names in theirs.items():
        for name, what in names.items():
            if not is_absent(module) or what.get("from") != module or module in ABSENT:
                continue
            value = getattr(importlib.import_module(module), name)
            if inspect.isclass(value) and issubclass(value, Exception):
                continue
            calls = [value, *(getattr(value, one) for one in what.get("members", ()))]
            for call in calls:
                try:
                    call()
                except RuntimeError as error:
                    if f"{module}.{name} cannot be used here: " in str(error):
                        continue
                yield f"{module} {name} does not refuse"


match sys.argv[1:]:
    case ["list"]:
        import gunicorn

        json.dump(listed(modules(gunicorn)), sys.stdout)
    case ["compare", path]:
        with open(path) as file:
            theirs = json.load(file)
        for difference in [*differences(theirs), *refusals(theirs)]:
            if difference not in EXCEPTIONS:
                print(difference)
