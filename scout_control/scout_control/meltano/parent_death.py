"""Supervises a run: ends it when its worker dies, and isolates it from the worker.

Run as a program, it is the parent of Meltano and a child of the worker. A killed worker must not
leave an unwatched load behind. Meltano alone does not guarantee that: it exits when its log is no
longer read, but leaves its plugins running. Linux only; elsewhere plugins end at their next write
to a closed pipe. Started with ``-I -S``, so it can import only the standard library.
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
ALLOW_ALL = struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000)  # one BPF instruction: return "allow"
INSPECTION_CAPABILITIES = (19, 21, 38)  # CAP_SYS_PTRACE, CAP_SYS_ADMIN, CAP_PERFMON
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = (
    444,
    445,
    446,
)  # Landlock; the same numbers on every architecture
QUERY_VERSION, RULE_PATH_BENEATH = 1, 1
MAKE_BLOCK_DEVICE, REFER = 1 << 11, 1 << 13
SUPPORTS_REFER, SUPPORTS_SIGNALS = 2, 6  # versions of Landlock
SCOPE_SIGNALS = 1 << 1


def supervisor_command() -> list[str]:
    """Return the prefix that makes a command and its descendants end with this process."""
    if sys.platform != "linux":
        return []
    return [sys.executable, "-I", "-S", __file__, str(os.getpid())]


def protect_memory() -> None:
    """Hide our memory and environment from other processes of this account; disable core dumps.

    Root can still read them; ``isolate_process`` keeps out what a run starts as root. Linux only.
    """
    _disable_core_dumps()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_DUMPABLE, 0)


def isolate_process() -> None:
    """Prevent this process and its descendants from inspecting or signalling other processes.

    Landlock denies access to the memory and environment of outside processes, even to root without
    three capabilities. Without Landlock (before Linux 5.19, other systems) this does nothing.

    Called for Meltano, since a plugin may replace a program that Meltano starts next, and again for
    each plugin. It is inherited, irreversible, and each call adds a visible mark to the process, by
    which ``run_server`` recognises former plugins wherever they are in the process tree.

    Raises:
        OSError: The system has Landlock but does not let us use it.
    """
    system = ctypes.CDLL(None, use_errno=True)
    is_linux = sys.platform == "linux"
    version = system.syscall(CREATE_RULESET, None, 0, QUERY_VERSION) if is_linux else 0
    if version < SUPPORTS_REFER:
        return
    for capability in INSPECTION_CAPABILITIES:  # fails harmlessly without privileges
        system.prctl(DROP_CAPABILITY, capability, 0, 0, 0)
    # A ruleset must handle some right, or the kernel rejects it. These two restrict nothing that a
    # run needs: REFER is allowed below "/" again, and nothing creates block devices.
    handled = struct.pack("QQQ", MAKE_BLOCK_DEVICE | REFER, 0, SCOPE_SIGNALS)
    size = len(handled) if version >= SUPPORTS_SIGNALS else 8
    ruleset = _checked(system.syscall(CREATE_RULESET, handled, size, 0))
    folder = os.open("/", os.O_PATH | os.O_CLOEXEC)
    allowed = struct.pack("=Qi", REFER, folder)
    _checked(system.syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, allowed, 0))
    # Setting NO_NEW_PRIVILEGES is the visible mark of the first call. Where it is set already, an
    # additional seccomp filter is the mark.
    if system.prctl(HAS_NO_NEW_PRIVILEGES, 0, 0, 0, 0) == 1:
        program = ctypes.create_string_buffer(ALLOW_ALL, len(ALLOW_ALL))
        filters = struct.pack("HxxxxxxP", 1, ctypes.addressof(program))
        _checked(system.prctl(FILTER_SYSTEM_CALLS, BY_PROGRAM, filters, 0, 0))
    _checked(system.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    _checked(system.syscall(RESTRICT_SELF, ruleset, 0))
    os.close(folder)
    os.close(ruleset)


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _supervise(parent: int, command: list[str]) -> int:
    """Run a command in our process group; return its exit code."""
    _disable_core_dumps()  # inherited by everything that we start
    # SIGTERM is blocked until a handler exists, so that one that arrives earlier is not lost.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    _end_with_parent()
    if os.getppid() != parent:  # it died before the parent-death signal was set
        return 128 + signal.SIGTERM
    child = os.fork()
    if child == 0:
        _end_with_parent()  # not inherited by fork()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        try:
            isolate_process()
            os.execv(command[0], command)
        except OSError as error:
            sys.exit(f"{command[0]} could not be started in isolation: {error.strerror}.")

    def pass_on(signum: int, _frame: object) -> None:
        os.kill(child, signum)
        if os.getppid() != parent:  # no worker is left to kill the run after the grace period
            signal.alarm(GRACE_SECONDS)

    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGALRM, _end_all)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    _, status = os.waitpid(child, 0)
    if os.getppid() != parent:  # Meltano has exited, but its plugins may still run
        _end_all()
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _disable_core_dumps() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)


def _end_all(*_: object) -> None:
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(_supervise(int(sys.argv[1]), sys.argv[2:]))
