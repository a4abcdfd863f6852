"""`python -m benchmarks NAME [options]`: run one of the measurements, or list them."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def measurements() -> dict[str, str]:
    """Return the measurements by name, with the first line of what they say of themselves."""
    found = {path.stem: path for path in FOLDER.glob("*.py") if not path.stem.startswith("_")}
    found |= {path.parent.name: path for path in FOLDER.glob("*/__main__.py")}
    return {name: path.read_text().split('"""')[1].split("\n")[0] for name, path in found.items()}


def main() -> int:
    """Run the measurement that was named."""
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
