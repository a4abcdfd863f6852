"""Lets a child end when its parent is killed: run as a program, it becomes the child's program.

A worker that dies without a word must not leave a load behind that nobody watches. Linux only;
elsewhere such a child ends when it next writes to the pipe that nobody reads.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

SET_PARENT_DEATH_SIGNAL = 1


def held_by_us() -> list[str]:
    """Return what to put before a command, so that it gets SIGTERM when this process dies."""
    if sys.platform != "linux":
        return []
    return [sys.executable, "-I", "-S", __file__, str(os.getpid())]


if __name__ == "__main__":
    ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(128 + signal.SIGTERM)
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - the command that we were given
