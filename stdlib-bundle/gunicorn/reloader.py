"""Threads that watch the files of imported modules. The server's `reload` has its
own."""

import glob
import os
import re
import sys
import threading
import time

from gunicorn import util

COMPILED_EXT_RE = re.compile(r"py[co]$")
has_inotify = False


def symlink_target_dir(filename):
    """The folder that a link leads to."""
    return os.path.dirname(os.path.realpath(filename)) if os.path.islink(filename) else None


class ReloaderBase(threading.Thread):
    def __init__(self, extra_files=None, interval=1, callback=None):
        super().__init__(daemon=True)
        entries = set(extra_files or ())
        self._extra_patterns = set(filter(util.is_glob_pattern, entries))
        self._extra_files = entries - self._extra_patterns
        self._interval = interval
        self._callback = callback

    def add_extra_file(self, filename):
        self._extra_files.add(filename)

    def get_files(self):
        modules = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
        files = [COMPILED_EXT_RE.sub("py", file) for file in modules if file]
        files.extend(self._extra_files)
        for pattern in self._extra_patterns:
            files.extend(sorted(glob.glob(pattern, recursive=True)))
        return files


class Reloader(ReloaderBase):
    def run(self):
        times = {}
        while True:
            for file in self.get_files():
                try:
                    changed = os.stat(file).st_mtime
                except OSError:
                    continue
                if changed > times.setdefault(file, changed) and self._callback:
                    self._callback(file)
            time.sleep(self._interval)


class InotifyReloader:
    def __init__(self, extra_files=None, callback=None):
        raise ImportError("Files are watched by polling in Python; take gunicorn.reloader.Reloader.")


preferred_reloader = Reloader

reloader_engines = {"auto": Reloader, "poll": Reloader, "inotify": InotifyReloader}
