"""`.pth` files in the `site-packages` of a zip, which `site` cannot list."""

import os
import pkgutil
import sys
import traceback

from _rgunicorn_zipped import ZipFinder


def obey_pth_files(sitedir, known_paths):
    """Do what `site.addsitedir` does for a folder on the disk."""
    finder = pkgutil.get_importer(sitedir)
    if not isinstance(finder, ZipFinder):
        return
    for name in sorted(finder.names()):
        if name.endswith(".pth") and not name.startswith("."):
            _obey(finder, sitedir, os.path.join(sitedir, name), known_paths)


def _obey(finder, sitedir, file, known_paths):
    # Lines of namespace packages use the variable `sitedir` here.
    lines = finder.get_data(file).decode("utf-8-sig").splitlines()
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            if line.startswith(("import ", "import\t")):
                exec(line)
                continue
            folder = os.path.abspath(os.path.join(sitedir, line.rstrip()))
            if folder not in known_paths and _exists(finder, folder):
                sys.path.append(folder)
                known_paths.add(folder)
        except Exception:
            print(f"Error processing line {number} of {file}:\n", file=sys.stderr)
            traceback.print_exc()
            print("\nRemainder of file ignored", file=sys.stderr)
            break


def _exists(finder, folder):
    inside = folder.removeprefix(finder.archive + "/")
    return os.path.exists(folder) or inside != folder and finder.has(inside + "/")
