"""Makes the wheel of TREE (bin/, share/) in OUT. Called by scripts/release.

usage: wheel.py TREE VERSION OUT
"""

import base64
import hashlib
import os
import sys
import time
import zipfile
from pathlib import Path

# The executable brings its own C library, so it runs beside either: with glibc, also for
# versions of pip that know only the older name, and with musl.
PLATFORMS = ["manylinux_2_17_x86_64", "manylinux2014_x86_64", "musllinux_1_1_x86_64"]

METADATA = """\
Metadata-Version: 2.4
Name: rgunicorn
Version: {version}
Summary: CPython, its standard library and a web server with Gunicorn's settings, in one file
License-File: LICENSE
License-File: LICENSE-APACHE
License-File: LICENSE-MIT
License-File: licences.txt
Classifier: Environment :: Web Environment
Classifier: Operating System :: POSIX :: Linux
Classifier: Programming Language :: Rust
Classifier: Topic :: Internet :: WWW/HTTP :: WSGI :: Server
Description-Content-Type: text/plain

{description}"""

WHEEL = """\
Wheel-Version: 1.0
Generator: rgunicorn ({version})
Root-Is-Purelib: false
"""


class Wheel:
    """A wheel that is being written (PEP 427)."""

    def __init__(self, path: Path) -> None:
        self.zip = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9)
        self.record = []
        # The first time that a zip can hold is in 1980.
        epoch = max(int(os.environ["SOURCE_DATE_EPOCH"]), 315532800)
        self.time = time.gmtime(epoch)[:6]

    def add(self, name: str, content: bytes, mode: int = 0o644) -> None:
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
        self.record.append(f"{name},sha256={digest.decode().rstrip('=')},{len(content)}")
        self._write(name, content, mode)

    def finish(self, name: str) -> None:
        """Writes the list of the files, which has no checksum of itself."""
        self._write(name, "\n".join([*self.record, f"{name},,", ""]).encode(), 0o644)
        self.zip.close()

    def _write(self, name: str, content: bytes, mode: int) -> None:
        info = zipfile.ZipInfo(name, self.time)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.create_system = 3  # Unix, so that pip reads the mode
        info.external_attr = (0o100000 | mode) << 16
        self.zip.writestr(info, content)


def main(tree: Path, version: str, out: Path) -> None:
    tags = [f"py3-none-{platform}" for platform in PLATFORMS]
    doc = tree / "share/doc/rgunicorn"
    data, info = f"rgunicorn-{version}.data", f"rgunicorn-{version}.dist-info"
    wheel = Wheel(out / f"rgunicorn-{version}-py3-none-{'.'.join(PLATFORMS)}.whl")
    wheel.add(f"{data}/scripts/rgunicorn", (tree / "bin/rgunicorn").read_bytes(), 0o755)
    page = "share/man/man1/rgunicorn.1"
    wheel.add(f"{data}/data/{page}", (tree / page).read_bytes())
    for name in ["LICENSE", "LICENSE-APACHE", "LICENSE-MIT", "licences.txt"]:
        wheel.add(f"{info}/licenses/{name}", (doc / name).read_bytes())
    sbom = "rgunicorn.cdx.json"
    wheel.add(f"{info}/sboms/{sbom}", (doc / sbom).read_bytes())  # PEP 770
    metadata = METADATA.format(version=version, description=(doc / "README").read_text())
    wheel.add(f"{info}/METADATA", metadata.encode())
    lines = [f"Tag: {tag}\n" for tag in tags]
    wheel.add(f"{info}/WHEEL", "".join([WHEEL.format(version=version), *lines]).encode())
    wheel.finish(f"{info}/RECORD")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
