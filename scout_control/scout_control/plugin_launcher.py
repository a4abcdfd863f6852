"""``scout-plugin``: stands in a plugin's place in a run, fetches its secrets, and becomes it.

Meltano gives one environment to all that it starts. What only this plugin may know is asked of
control, which sees who asks; what others are told is left behind. The name that this is called by
says which plugin it is. Started four times a run: it imports as little as it can.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scout_control import leash, run_socket
from scout_control.unnamed_files import unnamed_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CONFIG = ("--config", "-c")


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
    try:
        leash.stay_apart()  # from Meltano too, which is apart from control already
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
