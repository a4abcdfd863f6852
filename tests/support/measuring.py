"""Measures the peak memory of a program without that of its parent."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

# Until exec, Linux counts the parent's memory as the child's. So a small process starts the
# program instead of this one, which may be large.
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
    """Run a command; return the completed process and its peak memory in kB."""
    result = folder / "peak"
    starter = [sys.executable, "-I", "-S", "-c", STARTER, str(result), *command]
    done = subprocess.run(starter, check=False, **options)
    return done, int(result.read_text())
