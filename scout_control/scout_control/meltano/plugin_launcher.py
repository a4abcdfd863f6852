"""``scout-plugin``: launches a plugin of a run with its own secrets and no others.

Meltano passes one environment to everything that it starts. So Meltano starts this launcher in
place of each plugin. It requests the plugin's secrets from control, which authenticates the process
by its place in the process tree, drops variables of other plugins, and executes the plugin. The
name in argv[0] selects the plugin. A run starts four launchers, so imports are minimal: typing and
pathlib would add a quarter to the start-up time.
"""

from __future__ import annotations

import json
import os
import sys

from scout_dbt.anonymous_file import anonymous_file

from scout_control.meltano import parent_death
from scout_control.meltano.run_server import client

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

CONFIG_OPTIONS = ("--config", "-c")


def main() -> None:
    """Replace this process by the plugin."""
    folder, name = os.path.split(sys.argv[0])
    home = os.path.dirname(folder)
    try:
        launch = client.request(f"{home}/{client.SOCKET_NAME}", {"plugin": name})
    except client.RefusedError as error:
        sys.stderr.write(f"{name} was not started: {error}.\n")
        raise SystemExit(1) from None
    program = launch["program"]
    environment = _environment(launch, home)
    arguments = _arguments(sys.argv[1:], launch["config"], home)
    if announcement := launch["announcement"]:
        sys.stderr.write(f"{announcement}\n")
        sys.stderr.flush()
    try:
        parent_death.isolate_process()  # from Meltano; Meltano is isolated from control already
        os.execvpe(program, [program, *arguments], environment)
    except OSError as error:
        sys.stderr.write(f"Executable {program!r} could not be started: {error.strerror}.\n")
        raise SystemExit(127) from None


def _environment(launch: Mapping[str, Any], home: str) -> dict[str, str]:
    """Return the permitted variables of our environment, and the plugin's own."""
    names, prefixes = frozenset(launch["names"]), tuple(launch["prefixes"])
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name in names or name.startswith(prefixes)
    }
    # Files, since a variable can be read by anything that the plugin runs.
    files = {
        name: anonymous_file(text, f"{home}/{name}-{os.getpid()}")
        for name, text in launch["files"].items()
    }
    return {**inherited, **launch["environment"], **files}


def _arguments(arguments: Sequence[str], secrets: dict[str, Any], home: str) -> list[str]:
    """Return the arguments; a configuration file is replaced by one that includes the secrets."""
    result = list(arguments)
    for index, word in enumerate(result[:-1]):
        if word in CONFIG_OPTIONS and secrets:
            with open(result[index + 1], encoding="utf-8") as file:
                config = json.load(file)
            _merge(config, secrets)
            fallback = f"{home}/config-{os.getpid()}.json"
            result[index + 1] = anonymous_file(json.dumps(config), fallback)
    return result


def _merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value
