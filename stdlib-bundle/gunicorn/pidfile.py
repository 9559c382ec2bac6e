"""A file with a process id."""

import os
import tempfile


class Pidfile:
    def __init__(self, fname):
        self.fname = fname
        self.pid = None

    def create(self, pid):
        other = self.validate()
        if other == os.getpid():
            return
        if other:
            raise RuntimeError(f"Already running on PID {other} (or pid file '{self.fname}' is stale)")
        self.pid = pid
        folder = os.path.dirname(self.fname or "") or None
        if folder and not os.path.isdir(folder):
            raise RuntimeError(f"{folder} doesn't exist. Can't create pidfile.")
        fd, made = tempfile.mkstemp(dir=folder or self.fname and ".")
        with open(fd, "w") as file:
            file.write(f"{pid}\n")
        if self.fname:
            os.rename(made, self.fname)
        else:
            self.fname = made
        os.chmod(self.fname, 0o644)

    def rename(self, path):
        self.unlink()
        self.fname = path
        self.create(self.pid)

    def unlink(self):
        """Deletes it, if it belongs to this process."""
        try:
            if self._read() == self.pid:
                os.unlink(self.fname)
        except OSError:
            pass

    def validate(self):
        """The process that the file belongs to, if it is running."""
        pid = self._read() if self.fname else None
        try:
            if pid:
                os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            pass
        return pid

    def _read(self):
        try:
            with open(self.fname) as file:
                return int(file.read())
        except (FileNotFoundError, ValueError):
            return None
