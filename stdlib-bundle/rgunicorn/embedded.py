"""Scripts that are servers: `BaseApplication.run()` in them.

`run` executes the server in place of the script's process. The server's config
file is the module `embedded_config`, which runs the script once more up to
`run` and takes the settings that it has set; the workers, being forked, load
the app that it has. At a reload the application gives its settings anew.
"""

import json
import os
import sys

import _rgunicorn_bundle

VARIABLE = "RGUNICORN_EMBEDDED"
ARGUMENTS = "GUNICORN_CMD_ARGS"

# Where the script was started, as far as is known here: it is started there again.
try:
    folder = os.getcwd()
except FileNotFoundError:
    folder = "/"

# Whether this process is the server; the application that has called `run` in
# it, and the script's own arguments and folder.
serving = False
captured = None
argv = []
place = None


class Captured(BaseException):
    """Ends the script where it would serve."""


def run(application):
    """`BaseApplication.run`."""
    global captured
    if serving:
        captured = application
        raise Captured
    processes = sys.modules.get("multiprocessing.process")
    if processes and processes.parent_process() is not None:
        sys.exit(
            "Error: run() cannot serve in a process of multiprocessing, since it runs the "
            "script once more; call it in the script's own process, or start the script by "
            "subprocess."
        )
    # It is the script that reads these, or not.
    arguments = os.environ.pop(ARGUMENTS, None)
    told = {**_script(), "argv": sys.argv, "path": sys.path, "arguments": arguments}
    os.environ[VARIABLE] = json.dumps(told)
    os.chdir(folder)
    become_server(["-c", "python:_rgunicorn.embedded_config", "_rgunicorn.embedded:application"])


def _script():
    """How to find again what is run as `__main__`."""
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    if file is None:
        sys.exit("Error: run() serves from a script in a file or a module.")
    spec = getattr(main, "__spec__", None)
    if spec is None:
        return {"file": os.path.abspath(file)}
    if spec.name == "__main__":
        # A folder or a zip with such a module.
        return {"module": spec.name, "in": [os.path.dirname(file)]}
    return {"module": spec.name}


def has_packages_of_a_zip():
    """Whether there are installed packages outside of a virtual environment."""
    own = sys.prefix + "/"
    return any(not folder.startswith(own) for folder in _rgunicorn_bundle.site_dirs())


def become_server(arguments):
    """Executes the server with these arguments, in this process."""
    sys.stdout.flush()
    sys.stderr.flush()
    if sys.prefix != sys.base_prefix and "--venv" not in arguments:
        arguments = ["--venv", sys.prefix, *arguments]
    os.execve(sys._base_executable, ["rgunicorn", *arguments], os.environ)


def load_by(load):
    """Lets the server load the app when the application is asked for it first."""
    wsgi = captured.wsgi

    def first():
        captured.wsgi = wsgi
        return load()

    captured.wsgi = first


def __getattr__(name):
    if name == "application" and captured is not None:
        sys.argv[:] = argv
        return captured.wsgi()
    raise AttributeError(name)
