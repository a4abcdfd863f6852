"""``scout-plugin``: stands in a plugin's place in a run, fetches its secrets, and becomes it.

Meltano gives one environment to all that it starts. What only this plugin may know is asked of
control, which sees who asks; what others are told is left behind. The name that this is called by
says which plugin it is. Started four times a run: it imports as little as it can.
"""

from __future__ import annotations

import ctypes
import json
import os
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scout_control import run_socket
from scout_control.unnamed_files import unnamed_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CONFIG = ("--config", "-c")
NO_NEW_PRIVILEGES, HAS_NO_NEW_PRIVILEGES, DROP_CAPABILITY = 38, 39, 24
FILTER_SYSTEM_CALLS, BY_PROGRAM = 22, 2
ALLOW_ALL = struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000)  # one instruction: return "allow"
LOOKS_INTO_OTHERS = (19, 21, 38)  # CAP_SYS_PTRACE, CAP_SYS_ADMIN, CAP_PERFMON
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # Landlock; the same on every machine
VERSION_ASKED, BENEATH_A_PATH = 1, 1
MAKE_BLOCK_DEVICE, MOVE_BETWEEN_FOLDERS = 1 << 11, 1 << 13
KNOWS_FOLDERS, KNOWS_SIGNALS = 2, 6  # versions of Landlock
SIGNALS = 1 << 1


def main() -> None:
    """Become the plugin."""
    called = Path(sys.argv[0])
    home = called.parent.parent
    try:
        told = run_socket.ask(home / run_socket.NAME, {"plugin": called.name})
    except run_socket.RefusedError as error:
        sys.stderr.write(f"{called.name} was not started: {error}.\n")
        raise SystemExit(1) from None
    program = told["program"]
    environment = _environment(told, home)
    arguments = _arguments(sys.argv[1:], told["config"], home)
    _stay_apart()
    try:
        os.execvpe(program, [program, *arguments], environment)  # noqa: S606 - of meltano.yml
    except OSError as error:
        sys.stderr.write(f"Executable {program!r} could not be started: {error.strerror}.\n")
        raise SystemExit(127) from None


def _environment(told: Mapping[str, Any], home: Path) -> dict[str, str]:
    """Return what the plugin is allowed to see of ours, and what is its own."""
    names, prefixes = frozenset(told["names"]), tuple(told["prefixes"])
    passed = {
        name: value
        for name, value in os.environ.items()
        if name in names or name.startswith(prefixes)
    }
    files = {
        name: unnamed_file(text, home / f"{name}-{os.getpid()}")
        for name, text in told["files"].items()
    }
    return {**passed, **told["environment"], **files}


def _arguments(arguments: Sequence[str], secrets: dict[str, Any], home: Path) -> list[str]:
    """Return the arguments, with the secrets in the configuration file that they name."""
    found = list(arguments)
    for at, word in enumerate(found[:-1]):
        if word in CONFIG and secrets:
            config = json.loads(Path(found[at + 1]).read_text())
            _merge(config, secrets)
            otherwise = home / f"config-{os.getpid()}.json"
            found[at + 1] = unnamed_file(json.dumps(config), otherwise)
    return found


def _merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value


def _stay_apart() -> None:
    """Let no code of the plugin look into processes that it did not start, nor signal them.

    Landlock keeps even root, once it has lost three capabilities, from the environment and memory
    of processes outside. Without Landlock (before Linux 5.19, elsewhere) nothing is changed. What
    is made here is inherited and cannot be undone, so control tells by it who was a plugin before
    (``run_server``), wherever that process stands.
    """
    system = ctypes.CDLL(None)
    is_linux = sys.platform == "linux"
    version = system.syscall(CREATE_RULESET, None, 0, VERSION_ASKED) if is_linux else 0
    if version < KNOWS_FOLDERS:
        return
    for capability in LOOKS_INTO_OTHERS:
        system.prctl(DROP_CAPABILITY, capability, 0, 0, 0)
    handled = struct.pack("QQQ", MAKE_BLOCK_DEVICE | MOVE_BETWEEN_FOLDERS, 0, SIGNALS)
    size = len(handled) if version >= KNOWS_SIGNALS else 8
    ruleset = system.syscall(CREATE_RULESET, handled, size, 0)
    folder = os.open("/", os.O_PATH | os.O_CLOEXEC)
    allowed = struct.pack("=Qi", MOVE_BETWEEN_FOLDERS, folder)
    system.syscall(ADD_RULE, ruleset, BENEATH_A_PATH, allowed, 0)
    if system.prctl(HAS_NO_NEW_PRIVILEGES, 0, 0, 0, 0) == 1:  # as control itself: no mark then
        program = ctypes.create_string_buffer(ALLOW_ALL, len(ALLOW_ALL))
        filters = struct.pack("HxxxxxxP", 1, ctypes.addressof(program))
        system.prctl(FILTER_SYSTEM_CALLS, BY_PROGRAM, filters, 0, 0)
    system.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    system.syscall(RESTRICT_SELF, ruleset, 0)
    os.close(folder)
    os.close(ruleset)
