"""The name of the server, if a config file has changed the names in the `gunicorn`
package as it may in Gunicorn."""

import sys


def header(usual):
    """The value of the field `Server`."""
    return _changed("SERVER", usual)


def software(usual):
    """`SERVER_SOFTWARE` in the environ."""
    return _changed("SERVER_SOFTWARE", usual)


def _changed(name, usual):
    if "gunicorn" not in sys.modules:
        return usual
    import gunicorn

    # Gunicorn has the name in both modules.
    for module in ("gunicorn.http.wsgi", "gunicorn"):
        value = getattr(sys.modules.get(module), name, None)
        if isinstance(value, str) and value != gunicorn.NAMES[name]:
            return value
    return usual
