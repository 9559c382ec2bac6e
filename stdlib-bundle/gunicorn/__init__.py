"""The modules that programs for Gunicorn import.

The server is rgunicorn. These names are for config files, hooks, apps, programs that
start the server, and monitoring agents; the server itself needs only a few of them.
"""

# The version of Gunicorn whose settings, hooks and objects these are.
version_info = (27, 0, 1)
__version__ = ".".join(map(str, version_info))
SERVER = "gunicorn"
SERVER_SOFTWARE = f"{SERVER}/{__version__}"

# The original values, before anybody changes them.
NAMES = {"SERVER": SERVER, "SERVER_SOFTWARE": SERVER_SOFTWARE}
