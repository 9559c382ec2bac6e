"""Scripts that are servers: `BaseApplication.run()` in them.

`run` executes the server in place of the script's process. The server's config
file is the module `embedded_config`, which runs the script once more up to
`run` and takes the settings that it has set; the workers, being forked, load
the app that it has.
"""

import json
import os
import sys

VARIABLE = "RGUNICORN_EMBEDDED"

# Whether this process is the server, and the application that has called
# `run` in it.
serving = False
captured = None


class Captured(BaseException):
    """Ends the script where it would serve."""


def run(application):
    """`BaseApplication.run`."""
    global captured
    if serving:
        captured = application
        raise Captured
    main = sys.modules["__main__"]
    script = getattr(main, "__file__", None)
    spec = getattr(main, "__spec__", None)
    if script is None:
        sys.exit("Error: BaseApplication.run() serves from a script in a file or a module.")
    os.environ[VARIABLE] = json.dumps(
        {
            "script": os.path.abspath(script),
            "module": spec and spec.name,
            "argv": sys.argv,
            "path": sys.path,
        }
    )
    become_server(["-c", "python:_rgunicorn.embedded_config", "_rgunicorn.embedded:application"])


def become_server(arguments):
    """Executes the server with these arguments, in this process."""
    sys.stdout.flush()
    sys.stderr.flush()
    if sys.prefix != sys.base_prefix and "--venv" not in arguments:
        arguments = ["--venv", sys.prefix, *arguments]
    os.execve(sys._base_executable, ["rgunicorn", *arguments], os.environ)


def __getattr__(name):
    if name == "application" and captured is not None:
        return captured.wsgi()
    raise AttributeError(name)
