"""Holds a run: it ends when its worker is killed, and cannot look into its worker.

Run as a program, it stands between the two. A worker that is killed must not leave an unwatched
load behind. Meltano alone is not enough: it exits when its log is no longer read, and leaves its
plugins running. Linux only; elsewhere plugins end at their next write to a closed pipe. It needs
only the standard library, and cannot import anything else.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
import sys

SET_PARENT_DEATH_SIGNAL, SET_DUMPABLE = 1, 4
GRACE_SECONDS = 10
NO_NEW_PRIVILEGES, HAS_NO_NEW_PRIVILEGES, DROP_CAPABILITY = 38, 39, 24
FILTER_SYSTEM_CALLS, BY_PROGRAM = 22, 2
ALLOW_ALL = struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000)  # one instruction: return "allow"
LOOKS_INTO_OTHERS = (19, 21, 38)  # CAP_SYS_PTRACE, CAP_SYS_ADMIN, CAP_PERFMON
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # Landlock; the same on every machine
VERSION_ASKED, BENEATH_A_PATH = 1, 1
MAKE_BLOCK_DEVICE, MOVE_BETWEEN_FOLDERS = 1 << 11, 1 << 13
KNOWS_FOLDERS, KNOWS_SIGNALS = 2, 6  # versions of Landlock
SIGNALS = 1 << 1


def held_by_us() -> list[str]:
    """Return what to put before a command, so that it ends, with all it started, when we do."""
    if sys.platform != "linux":
        return []
    return [sys.executable, "-I", "-S", __file__, str(os.getpid())]


def keep_private() -> None:
    """Close our memory and environment to other processes of this account, and leave no core.

    Root may still look; what a run starts as root is kept out by ``stay_apart``. Linux only.
    """
    _leave_no_core()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_DUMPABLE, 0)


def stay_apart() -> None:
    """Let us and all that we start look into no process that we did not start, nor signal it.

    Landlock keeps even root, once it has lost three capabilities, from the environment and memory
    of processes outside. Without Landlock (before Linux 5.19, elsewhere) nothing is changed. Called
    for Meltano, since a plugin may put any program in the place of what Meltano starts next, and
    for each plugin once more. It is inherited and cannot be undone, and each call adds to what
    ``run_server`` sees of a process: so it tells who was a plugin before, wherever that stands.

    Raises:
        OSError: The system has Landlock and does not let us use it.
    """
    system = ctypes.CDLL(None, use_errno=True)
    is_linux = sys.platform == "linux"
    version = system.syscall(CREATE_RULESET, None, 0, VERSION_ASKED) if is_linux else 0
    if version < KNOWS_FOLDERS:
        return
    for capability in LOOKS_INTO_OTHERS:  # refused where we have none that could be lost
        system.prctl(DROP_CAPABILITY, capability, 0, 0, 0)
    handled = struct.pack("QQQ", MAKE_BLOCK_DEVICE | MOVE_BETWEEN_FOLDERS, 0, SIGNALS)
    size = len(handled) if version >= KNOWS_SIGNALS else 8
    ruleset = _done(system.syscall(CREATE_RULESET, handled, size, 0))
    folder = os.open("/", os.O_PATH | os.O_CLOEXEC)
    allowed = struct.pack("=Qi", MOVE_BETWEEN_FOLDERS, folder)
    _done(system.syscall(ADD_RULE, ruleset, BENEATH_A_PATH, allowed, 0))
    if system.prctl(HAS_NO_NEW_PRIVILEGES, 0, 0, 0, 0) == 1:  # so it cannot serve as the mark
        program = ctypes.create_string_buffer(ALLOW_ALL, len(ALLOW_ALL))
        filters = struct.pack("HxxxxxxP", 1, ctypes.addressof(program))
        _done(system.prctl(FILTER_SYSTEM_CALLS, BY_PROGRAM, filters, 0, 0))
    _done(system.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    _done(system.syscall(RESTRICT_SELF, ruleset, 0))
    os.close(folder)
    os.close(ruleset)


def _done(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


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
        try:
            stay_apart()
            os.execv(command[0], command)  # noqa: S606 - the command that we were given
        except OSError as error:
            sys.exit(f"{command[0]} was not started apart from us: {error.strerror}.")

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
