"""Extracts streams, keys and schemas from a Singer catalog."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from scout_control.rules.json_values import to_json_value

if TYPE_CHECKING:
    from collections.abc import Mapping


def streams(catalog: bytes | None) -> dict[str, dict[str, Any]]:
    """Return the streams of a catalog by table name; empty if the catalog is invalid."""
    try:
        entries = to_json_value(json.loads(catalog or b"{}")).get("streams", ())
        return {str(each.get("stream") or each["tap_stream_id"]): _stream(each) for each in entries}
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        return {}


def ids(streams: Mapping[str, Mapping[str, Any]] | None) -> frozenset[str]:
    """Return the ids by which streams are selected."""
    return frozenset(str(stream.get("id") or name) for name, stream in (streams or {}).items())


def _stream(each: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": each.get("tap_stream_id"),
        "key": each.get("key_properties") or [],
        "schema": each.get("schema") or {},
    }
