"""Zips that stay open while processes fork."""

import io
import os


def shared(archive):
    """Makes this ZipFile usable in processes that are forked while it is open."""
    if not archive._filePassed:
        archive.fp = _ByPosition(archive.fp)
    return archive


class _ByPosition(io.RawIOBase):
    """A file that stores its read position itself. The position in the system is shared
    by all processes that inherit the file."""

    def __init__(self, file):
        self._fd = file.fileno()
        self._file = file
        self._at = 0
        self.name = file.name

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, offset, whence=os.SEEK_SET):
        if whence == os.SEEK_CUR:
            offset += self._at
        elif whence == os.SEEK_END:
            offset += os.fstat(self._fd).st_size
        self._at = offset
        return offset

    def tell(self):
        return self._at

    def readinto(self, buffer):
        count = os.preadv(self._fd, [buffer], self._at)
        self._at += count
        return count

    def fileno(self):
        return self._fd

    def close(self):
        super().close()
        self._file.close()
