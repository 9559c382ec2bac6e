"""`importlib.resources` for packages in a zip, with names as our importer has them."""

import os
import zipfile
from importlib.readers import ZipReader

import _rgunicorn_bundle as _bundle


class Reader(ZipReader):
    """The resources of one package."""

    def files(self):
        return zipfile.Path(_with_right_names(zipfile.ZipFile(self.archive)), self.prefix)


def _with_right_names(archive):
    names = _bundle.zip_names(os.fsencode(os.path.abspath(archive.filename))) or ()
    if len(names) == len(archive.filelist):
        for entry, name in zip(archive.filelist, names):
            entry.filename = name
        archive.NameToInfo = {entry.filename: entry for entry in archive.filelist}
    return archive
