"""Switches: everything that can be changed at start and while the sandbox runs.

The options of the command line and of the control endpoint are generated from them, and a test
checks that the README lists them. Each half declares its own. Independent of HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from commcare_sandbox.connect.switches import ConnectSwitches
from commcare_sandbox.hq.switches import HQSwitches
from commcare_sandbox.switch_definition import switch


class SwitchError(Exception):
    """An unknown switch, or an invalid value."""


@dataclass
class Switches(HQSwitches, ConnectSwitches):
    """Behaviour of the server; the defaults match production."""

    fault: str = switch("", "Faults to inject, in turn, comma-separated.")
    fault_every: int = switch(0, "Only every Nth API request gets the fault.")
    fault_next: int = switch(0, "Only the next N API requests get the fault.")
    fault_path: str = switch("", "Only requests whose path contains this get the fault.")
    stall_seconds: float = switch(65.0, "How long the fault 'stall' waits before it responds.")
    latency_ms: float = switch(0.0, "Delay of every API response.")

    def set(self, changes: dict[str, Any]) -> None:
        """Change several switches; if one is invalid, none is changed.

        Raises:
            SwitchError: A name is unknown, or a value has the wrong type.
        """
        kinds = {each.name: type(each.default) for each in fields(self)}
        converted = {}
        for name, value in changes.items():
            if name not in kinds:
                raise SwitchError(f"Unknown switch {name!r}. Known: {', '.join(kinds)}.")
            converted[name] = _convert(name, value, kinds[name])
        for name, value in converted.items():
            setattr(self, name, value)


_TRUTH = {"true": True, "1": True, "yes": True, "on": True} | {
    "false": False,
    "0": False,
    "no": False,
    "off": False,
    "": False,
}


def _convert(name: str, value: Any, kind: type) -> Any:
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    if kind is bool:
        if text.lower() not in _TRUTH:
            raise SwitchError(f"The switch {name!r} is on or off, not {text!r}.")
        return _TRUTH[text.lower()]
    if value is None:
        text = "" if kind is str else "0"
    try:
        return kind(text)
    except ValueError:
        raise SwitchError(f"The switch {name!r} takes {kind.__name__}, not {text!r}.") from None
