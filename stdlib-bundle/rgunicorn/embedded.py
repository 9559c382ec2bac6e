"""Scripts that start the server themselves with `BaseApplication.run()`.

`run` executes the server in the script's process. The server's config file is the
module `embedded_config`: it runs the script again until `run` is called, and takes the
settings that the script has set. The workers are forked and load the script's app. At a
reload the application gives its settings again.
"""

import json
import os
import sys

import _rgunicorn_bundle

VARIABLE = "RGUNICORN_EMBEDDED"
ARGUMENTS = "GUNICORN_CMD_ARGS"

# The folder in which the script was started. It is run again there.
try:
    folder = os.getcwd()
except FileNotFoundError:
    folder = "/"

# Whether this process is the server; the application that called `run` in it, and the
# script's own arguments and folder.
serving = False
captured = None
argv = []
place = None


class Captured(BaseException):
    """Ends the script at the call of `run`."""


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
    # The script itself decides whether these are read.
    arguments = os.environ.pop(ARGUMENTS, None)
    told = {**_script(), "argv": sys.argv, "path": sys.path, "arguments": arguments}
    os.environ[VARIABLE] = json.dumps(told)
    os.chdir(folder)
    become_server(["-c", "python:_rgunicorn.embedded_config", "_rgunicorn.embedded:application"])


def _script():
    """How to find what runs as `__main__` again."""
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
    """Whether packages are installed outside of a virtual environment."""
    own = sys.prefix + "/"
    return any(not folder.startswith(own) for folder in _rgunicorn_bundle.site_dirs())


def become_server(arguments):
    """Executes the server with these arguments in this process."""
    sys.stdout.flush()
    sys.stderr.flush()
    if sys.prefix != sys.base_prefix and "--venv" not in arguments:
        arguments = ["--venv", sys.prefix, *arguments]
    os.execve(sys._base_executable, ["rgunicorn", *arguments], os.environ)


def load_by(load):
    """Makes the server load the app if the application is asked for it first."""
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
