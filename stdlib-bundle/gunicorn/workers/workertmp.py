"""A heartbeat through the time of a file."""

import os
import platform
import tempfile
import time

from gunicorn import util

PLATFORM = platform.system()
IS_CYGWIN = False


class WorkerTmp:
    def __init__(self, cfg):
        folder = cfg.worker_tmp_dir
        if folder and not os.path.isdir(folder):
            raise RuntimeError(f"{folder} doesn't exist. Can't create workertmp.")
        self._tmp = tempfile.TemporaryFile(prefix="wgunicorn-", dir=folder, buffering=0)
        if (cfg.uid, cfg.gid) != (os.geteuid(), os.getegid()):
            util.chown(self.fileno(), cfg.uid, cfg.gid)

    def notify(self):
        now = time.monotonic()
        os.utime(self.fileno(), (now, now))

    def last_update(self):
        return os.fstat(self.fileno()).st_mtime

    def fileno(self):
        return self._tmp.fileno()

    def close(self):
        self._tmp.close()
