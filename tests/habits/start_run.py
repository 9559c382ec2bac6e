# script
# get: /page
import sys

from gunicorn.app.wsgiapp import run

if __name__ == "__main__":
    sys.argv = ["gunicorn", "--threads", "2", "--access-logfile", "-", "app:app"]
    sys.argv += ["--access-logformat", "%(r)s"]
    sys.exit(run())
