"""Lets a run end when its worker is killed: run as a program, it stands between the two.

A worker that dies without a word must not leave a load behind that nobody watches. Meltano alone
would not do: it ends at once when nobody reads its log, and leaves its plugins. Linux only;
elsewhere plugins end when they next write to a pipe that nobody reads.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

SET_PARENT_DEATH_SIGNAL, SET_DUMPABLE = 1, 4
GRACE_SECONDS = 10


def held_by_us() -> list[str]:
    """Return what to put before a command, so that it ends, with all it started, when we do."""
    if sys.platform != "linux":
        return []
    return [sys.executable, "-I", "-S", __file__, str(os.getpid())]


def keep_private() -> None:
    """Close our memory and environment to other processes of this account, and leave no core.

    Root may still look; a plugin of root is kept out by ``plugin_launcher``. Linux only.
    """
    _leave_no_core()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_DUMPABLE, 0)


def _hold(parent: int, command: list[str]) -> int:
    """Run a command in our process group; return its exit code."""
    _leave_no_core()  # nor does anything that we start
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    _end_with_parent()
    if os.getppid() != parent:
        return 128 + signal.SIGTERM
    child = os.fork()
    if child == 0:
        _end_with_parent()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        os.execv(command[0], command)  # noqa: S606 - the command that we were given

    def pass_on(signum: int, _frame: object) -> None:
        os.kill(child, signum)
        if os.getppid() != parent:
            signal.alarm(GRACE_SECONDS)

    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGALRM, _end_all)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    _, status = os.waitpid(child, 0)
    if os.getppid() != parent:
        _end_all()
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _leave_no_core() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)


def _end_all(*_: object) -> None:
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(_hold(int(sys.argv[1]), sys.argv[2:]))
