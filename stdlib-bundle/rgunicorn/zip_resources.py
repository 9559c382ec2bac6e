"""`importlib.resources` for packages in a zip, with the names that our importer
uses."""

import os
import zipfile
from importlib.readers import ZipReader

import _rgunicorn_bundle as _bundle


class Reader(ZipReader):
    """The resources of one package."""

    def files(self):
        path = zipfile.Path(self.archive, self.prefix)
        _set_right_names(path.root)
        return path


def _set_right_names(archive):
    names = _bundle.zip_names(os.fsencode(os.path.abspath(archive.filename))) or ()
    if len(names) == len(archive.filelist):
        for entry, name in zip(archive.filelist, names):
            entry.filename = name
        archive.NameToInfo = {entry.filename: entry for entry in archive.filelist}
