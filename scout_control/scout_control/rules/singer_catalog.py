"""What is worth keeping of a Singer catalog: the streams of a source, their keys and columns."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from scout_control.rules.json_values import plain

if TYPE_CHECKING:
    from collections.abc import Mapping


def streams(catalog: bytes | None) -> dict[str, dict[str, Any]]:
    """Return the streams of a catalog by the names of their tables; none when it is none."""
    try:
        listed = plain(json.loads(catalog or b"{}")).get("streams", ())
        return {str(each.get("stream") or each["tap_stream_id"]): _stream(each) for each in listed}
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        return {}


def ids(found: Mapping[str, Mapping[str, Any]] | None) -> frozenset[str]:
    """Return the ids of streams, by which they are selected."""
    return frozenset(str(stream.get("id") or name) for name, stream in (found or {}).items())


def _stream(each: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": each.get("tap_stream_id"),
        "key": each.get("key_properties") or [],
        "schema": each.get("schema") or {},
    }
