"""Case changes made by a submitted form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from commcare_sandbox.hq.data import timestamps
from commcare_sandbox.hq.data.cases import Case

_PLAIN = ("case_name", "case_type", "owner_id", "external_id", "closed")


def case_blocks(value: Any) -> Iterator[dict[str, Any]]:
    """Return the case blocks of a form, at any depth."""
    if isinstance(value, list):
        for each in value:
            yield from case_blocks(each)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name == "case":
                yield from (b for b in _listed(inner) if isinstance(b, dict))
            else:
                yield from case_blocks(inner)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def apply_changes(case: Case, changes: dict[str, Any], now: int) -> Case:
    """Return a case with changes applied at ``now``."""
    stamp = timestamps.render(now)
    plain = {name: changes[name] for name in _PLAIN if changes.get(name) is not None}
    edited = msgspec.structs.replace(
        case,
        last_modified=timestamps.render(now - 3 * timestamps.SECOND),
        server_last_modified=stamp,
        indexed_on=stamp,
        properties=case.properties | (changes.get("properties") or {}),
        indices=case.indices | (changes.get("indices") or {}),
        **plain,
    )
    if edited.closed != case.closed:
        edited.date_closed = stamp if edited.closed else None
    return edited
