"""Removes an environment that cannot be used, so that make recreates it, and says why.

Run by make with the system's Python, so only the standard library is available.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

OLDEST, NEWEST = (3, 11), (3, 13)
VERSION = re.compile(r"^version(?:_info)?\s*=\s*(\d+)\.(\d+)", re.MULTILINE)
ACTIVATED = re.compile(r"^\s*(?:export )?VIRTUAL_ENV=['\"]?([^'\"\n]+)['\"]?$", re.MULTILINE)


def main(folder: Path, *, is_chosen: bool) -> int:
    """Remove the environment if it cannot be used; return an exit code."""
    running = sys.version_info[:2]
    is_suitable = OLDEST <= running <= NEWEST
    chosen = running if is_chosen and is_suitable else None
    why = unusable(folder, chosen) if folder.exists() else None
    if not is_suitable and (why or is_chosen or not folder.exists()):
        sys.stderr.write(
            f"{sys.executable} is Python {_text(running)}, but {_text(OLDEST)} to {_text(NEWEST)} "
            "is needed. Name another one: make PYTHON=python3.12\n"
        )
        return 1
    if why:
        sys.stderr.write(f"{folder} is recreated: {why}.\n")
        shutil.rmtree(folder)
    return 0


def unusable(folder: Path, chosen: tuple[int, ...] | None = None) -> str | None:
    """Return why an environment cannot be used, or None.

    Args:
        folder: The environment.
        chosen: The version of Python that the caller has named, if any.
    """
    if not os.access(folder / "bin" / "python", os.X_OK):
        return "its Python was removed or is not complete"
    version = _version(folder)
    if version is None or not OLDEST <= version <= NEWEST:
        found = _text(version) if version else "an unknown version"
        return f"it is of Python {found}, not {_text(OLDEST)} to {_text(NEWEST)}"
    if chosen and version != chosen:
        return f"it is of Python {_text(version)}, but {_text(chosen)} was named"
    made_in = _made_in(folder)
    if made_in and not (made_in.is_dir() and made_in.samefile(folder)):
        return f"the checkout was moved or copied; it was made in {made_in}"
    return None


def _version(folder: Path) -> tuple[int, ...] | None:
    config = folder / "pyvenv.cfg"
    found = VERSION.search(config.read_text(encoding="utf-8")) if config.is_file() else None
    return tuple(map(int, found.groups())) if found else None


def _made_in(folder: Path) -> Path | None:
    """Return the folder for which the environment was made: its programs name that one."""
    script = folder / "bin" / "activate"
    text = script.read_text(encoding="utf-8") if script.is_file() else ""
    found = ACTIVATED.search(text)
    return Path(found[1]) if found and found[1].startswith("/") else None


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


if __name__ == "__main__":
    raise SystemExit(main(Path(".venv"), is_chosen="--chosen" in sys.argv[1:]))
