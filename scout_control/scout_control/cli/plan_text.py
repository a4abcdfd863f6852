"""Shows the plan of ``scout apply`` as a diff, and how its changes ended. Never shows a secret."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from scout_control.api.desired_state.execution import DONE
from scout_control.api.desired_state.exporting import interval
from scout_control.api.desired_state.planning import Action
from scout_control.rules.terminal import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scout_control.api.desired_state.execution import Outcome
    from scout_control.api.desired_state.planning import Change, FieldChange, Plan

LONGEST_VALUE = 60
EMPTY = "none"
# What an empty list or nothing means, where it is not "none".
DEFAULTS = {"streams": "all", "keep": "default"}
USUAL = {"connection": "default", "db_schema": "public", "port": 5432}
VERBS = {Action.ADD: "added", Action.CHANGE: "changed", Action.REMOVE: "removed"}


def lines(plan: Plan) -> Iterator[str]:
    """Yield one line per change, then the notes, then a summary."""
    yield from map(line, plan.changes)
    yield from plan.warnings
    yield from plan.notes
    yield summary(plan)


def summary(plan: Plan) -> str:
    """Return how much there is to do."""
    if not plan.changes:
        return "Nothing to change."
    counts = [(plan.count(action), verb) for action, verb in VERBS.items()]
    return "To be " + ", ".join(f"{verb}: {count}" for count, verb in counts if count) + "."


def line(change: Change) -> str:
    """Return one change, such as ``~ link river/hq interval 1h -> 6h``."""
    is_new = change.action == Action.ADD
    fields = [each for each in change.fields if not (is_new and _is_usual(change, each))]
    parts = [_field(each, is_new=is_new) for each in fields]
    parts += [name if is_new else f"{name} changed" for name in change.secrets]
    parts += [f"drops {change.data}"] if change.data else []
    return f"{change.action} {change.key} {', '.join(parts)}".rstrip()


def outcome(ended: Outcome) -> str:
    """Return a change, and how it ended if not as planned."""
    text = escaped(line(ended.change))
    status = "" if ended.status == DONE else f"{ended.status}: "
    return f"{text}\n  {status}{escaped(ended.message)}" if ended.message else text


def _is_usual(change: Change, each: FieldChange) -> bool:
    """Return whether a new item has the value that most have."""
    return each.new in (USUAL.get(each.name), change.key.name)


def _field(each: FieldChange, *, is_new: bool) -> str:
    new = _value(each.name, each.new)
    return f"{each.name} {new}" if is_new else f"{each.name} {_value(each.name, each.old)} -> {new}"


def _value(name: str, value: Any) -> str:
    if value is None or value == []:
        return DEFAULTS.get(name, EMPTY)
    if name == "interval" and isinstance(value, int):
        return interval(value)
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        text = " ".join(value)
    else:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."
