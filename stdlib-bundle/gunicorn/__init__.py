"""What programs import that were written for Gunicorn.

The server is rgunicorn. These names are here for config files, hooks, apps,
programs that start the server, and monitoring agents; the server itself needs few
of them.
"""

# The Gunicorn whose settings, hooks and objects these are.
version_info = (27, 0, 1)
__version__ = ".".join(map(str, version_info))
SERVER = "gunicorn"
SERVER_SOFTWARE = f"{SERVER}/{__version__}"

# As they were before anybody changed them.
NAMES = {"SERVER": SERVER, "SERVER_SOFTWARE": SERVER_SOFTWARE}
