"""Renew the script of the page from the npm registry, in exactly one version.

The file is kept in the repository, so that a build needs neither npm nor a network:
``python tools/page_assets.py`` after a change of the version here.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "htmx.org@2.0.11"
INTEGRITY = (
    "sha512-Thx/WtpeOQqSrqBCw/A1cwGJGg4UrVa3+sW0GmrM3p4g"
    "JgO89ecH4qtbnyzDDWFvBTqjnIMCgELTNt636dtamA=="
)
FILES = {"package/dist/htmx.min.js": "htmx.min.js", "package/LICENSE": "htmx.LICENSE.txt"}
FOLDER = Path(__file__).parents[1] / "scout_control/scout_control/serve/page/static"


def main() -> None:
    """Fetch the package, compare it with what is expected, and copy its files."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", PACKAGE]
        subprocess.run(command, cwd=folder, check=True)  # noqa: S603 - nothing in it comes from outside
        [archive] = Path(folder).glob("*.tgz")
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if f"sha512-{digest}" != INTEGRITY:
            sys.exit(f"{PACKAGE} is not what was expected: sha512-{digest}")
        with tarfile.open(archive) as opened:
            for name, target in FILES.items():
                found = opened.extractfile(name)
                if found is not None:
                    (FOLDER / target).write_bytes(found.read())


if __name__ == "__main__":
    main()
