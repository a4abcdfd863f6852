"""Closes this process to other processes of the same account.

``scout_control`` does the same in its own module, which must run as a script without any package.
"""

from __future__ import annotations

import ctypes
import resource
import sys

PR_SET_DUMPABLE = 4


def deny_inspection() -> None:
    """Keep memory and environment from other processes (Linux), and write no core dump."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0)
