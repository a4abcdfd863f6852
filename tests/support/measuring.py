"""How much memory a program takes, without that of the process that starts it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

# Linux counts the size of a parent as that of its child until the child calls exec. So a small
# process stands between this one, which may be large, and the program.
STARTER = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code if code >= 0 else 128 - code)
"""


def run_measured(
    command: list[str], folder: Any, **options: Any
) -> tuple[subprocess.CompletedProcess, int]:
    """Run `command`; return how it ended and its largest size in kB."""
    result = folder / "peak"
    starter = [sys.executable, "-I", "-S", "-c", STARTER, str(result), *command]
    done = subprocess.run(starter, check=False, **options)
    return done, int(result.read_text())
