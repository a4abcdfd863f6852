"""``scout-plugin``: stands in a plugin's place in a run, fetches its secrets, and becomes it.

Meltano gives one environment to all that it starts. What only this plugin may know is asked of
control, which sees who asks; what others are told is left behind. The name that this is called by
says which plugin it is. Four of these start in each run, so it imports as little as it can: typing
and pathlib would add a quarter to its time.
"""

from __future__ import annotations

import json
import os
import sys

from scout_control.meltano import parent_death
from scout_control.meltano.run_server import client
from scout_control.meltano.unnamed_files import unnamed_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

CONFIG = ("--config", "-c")


def main() -> None:
    """Become the plugin."""
    folder, name = os.path.split(sys.argv[0])
    home = os.path.dirname(folder)
    try:
        told = client.ask(f"{home}/{client.NAME}", {"plugin": name})
    except client.RefusedError as error:
        sys.stderr.write(f"{name} was not started: {error}.\n")
        raise SystemExit(1) from None
    program = told["program"]
    environment = _environment(told, home)
    arguments = _arguments(sys.argv[1:], told["config"], home)
    try:
        parent_death.stay_apart()  # from Meltano too, which is apart from control already
        os.execvpe(program, [program, *arguments], environment)  # noqa: S606 - of meltano.yml
    except OSError as error:
        sys.stderr.write(f"Executable {program!r} could not be started: {error.strerror}.\n")
        raise SystemExit(127) from None


def _environment(told: Mapping[str, Any], home: str) -> dict[str, str]:
    """Return what the plugin is allowed to see of ours, and what is its own."""
    names, prefixes = frozenset(told["names"]), tuple(told["prefixes"])
    passed = {
        name: value
        for name, value in os.environ.items()
        if name in names or name.startswith(prefixes)
    }
    files = {
        name: unnamed_file(text, f"{home}/{name}-{os.getpid()}")
        for name, text in told["files"].items()
    }
    return {**passed, **told["environment"], **files}


def _arguments(arguments: Sequence[str], secrets: dict[str, Any], home: str) -> list[str]:
    """Return the arguments, with the secrets in the configuration file that they name."""
    found = list(arguments)
    for at, word in enumerate(found[:-1]):
        if word in CONFIG and secrets:
            with open(found[at + 1], encoding="utf-8") as file:
                config = json.load(file)
            _merge(config, secrets)
            otherwise = f"{home}/config-{os.getpid()}.json"
            found[at + 1] = unnamed_file(json.dumps(config), otherwise)
    return found


def _merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value
