"""Everything about the sandbox that can be switched, at start and while it runs.

The command line and the control endpoint are made from it, the README is checked against it. What
only one half has is declared there. It knows nothing of HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from commcare_sandbox.connect.switches import ConnectSwitches
from commcare_sandbox.hq.switches import HQSwitches
from commcare_sandbox.switch_fields import switch


class SwitchError(Exception):
    """A switch that does not exist, or a value that does not fit it."""


@dataclass
class Switches(HQSwitches, ConnectSwitches):
    """How the server behaves; the defaults are what production does."""

    fault: str = switch("", "Faults to answer with, in turn, comma-separated (see faults).")
    fault_every: int = switch(0, "Only every Nth API request meets the fault.")
    fault_next: int = switch(0, "Only the next N API requests meet the fault.")
    fault_path: str = switch("", "Only requests whose path contains this meet the fault.")
    stall_seconds: float = switch(65.0, "How long the fault 'stall' stays silent.")
    latency_ms: float = switch(0.0, "Every API answer waits so long before it is sent.")

    def set(self, changes: dict[str, Any]) -> None:
        """Change several switches at once, or none of them.

        Raises:
            SwitchError: A name is unknown or a value cannot be read as its switch's type.
        """
        kinds = {each.name: type(each.default) for each in fields(self)}
        converted = {}
        for name, value in changes.items():
            if name not in kinds:
                raise SwitchError(f"There is no switch {name!r}. Known: {', '.join(kinds)}.")
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
