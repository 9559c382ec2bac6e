"""Collects the files of the bundle, compiled, into one stream.

    python bundle.py LIB INCLUDE OURS VERSION OUT

LIB is CPython's standard library, INCLUDE has its C headers in a folder, and OURS is
stdlib-bundle/. For each file of the bundle OUT has its path, its bytes and (for Python)
its marshalled code. Each is preceded by its length in four little-endian bytes.
scripts/build-steps/blob.rs packs the stream.
"""

import fnmatch
import marshal
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

# These run before anything else can be imported. They are in their own folder, where no
# import finds them.
BOOT = {
    "encodings_boot.py": "boot/encodings.py",
    "importer.py": "boot/importer.py",
    "zipped.py": "boot/zipped.py",
}


def main(lib, include, ours, version, out):
    stdlib = f"lib/python{version}"
    with tempfile.TemporaryDirectory() as scratch, open(out, "wb") as stream:
        chosen = Path(scratch, "Lib")
        choose(Path(lib), patterns(Path(ours, "left-out.txt")), chosen)
        apply_patches(Path(ours, "patches"), chosen)
        for name, file in files(chosen):
            write(stream, f"{stdlib}/{name}", name, file.read_bytes())
        for name, file in files(Path(include)):
            write(stream, f"include/{name}", name, file.read_bytes())
        for name, file in files(Path(ours, "rgunicorn")):
            place, shown = f"{stdlib}/_rgunicorn/{name}", f"_rgunicorn/{name}"
            if name in BOOT:
                # The file name in this code must not lead to a file.
                place, shown = BOOT[name], f"<frozen {shown}>"
            write(stream, place, shown, file.read_bytes())
        for name, file in files(Path(ours, "gunicorn")):
            write(stream, f"{stdlib}/gunicorn/{name}", f"gunicorn/{name}", file.read_bytes())


def patterns(file):
    lines = file.read_text().split("\n")
    return [line for line in lines if line and not line.startswith("#")]


def choose(lib, left_out, chosen):
    """Copy what is not left out."""
    for name, file in files(lib):
        if not any(fnmatch.fnmatchcase(name, pattern) for pattern in left_out):
            Path(chosen, name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, Path(chosen, name))


def apply_patches(folder, chosen):
    for patch in sorted(folder.glob("*.patch")):
        done = subprocess.run(
            ["patch", "-p2", "--no-backup-if-mismatch", "-d", chosen, "-i", patch.resolve()],
            capture_output=True, text=True,
        )
        if done.returncode:
            sys.exit(f"{patch} does not apply to this CPython:\n{done.stdout}{done.stderr}")


def files(folder):
    for file in sorted(folder.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            yield file.relative_to(folder).as_posix(), file


def write(stream, place, name, data):
    marshalled = code(name, data) if place.endswith(".py") else b""
    for part in (place.encode(), data, marshalled):
        stream.write(struct.pack("<I", len(part)))
        stream.write(part)


def code(name, data):
    """Marshalled code. The file name in it is completed when it is loaded."""
    return marshal.dumps(compile(data, name, "exec", dont_inherit=True, optimize=0))


main(*sys.argv[1:])
