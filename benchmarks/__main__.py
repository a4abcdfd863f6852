"""`python -m benchmarks NAME [options]`: run a benchmark, or list them."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

MAIN = Path(__file__)
FOLDER = MAIN.parent
STARTS = '\nif __name__ == "__main__":\n'


def _name(path: Path) -> str:
    return ".".join(path.relative_to(FOLDER).with_suffix("").parts).removesuffix(".__main__")


def measurements() -> dict[str, str]:
    """Return the benchmarks by name, with the first line of their docstrings."""
    programs = (path for path in FOLDER.rglob("*.py") if path != MAIN)
    found = {_name(path): path for path in programs if STARTS in path.read_text()}
    return {name: path.read_text().split('"""')[1].split("\n")[0] for name, path in found.items()}


def main() -> int:
    """Run the named benchmark."""
    known = measurements()
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in known:
        width = max(map(len, known))
        lines = [f"  {each:{width}}  {told}" for each, told in sorted(known.items())]
        sys.stdout.write("\n".join(["usage: make bench ARGS='NAME [options]'", *lines, ""]))
        return 2 if name else 0
    sys.argv = [f"benchmarks.{name}", *sys.argv[2:]]
    runpy.run_module(f"benchmarks.{name}", run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main())
