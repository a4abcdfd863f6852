"""Removes NUL characters from records, for targets that cannot store them. Pure, but for the count.

JSON has exactly one spelling of NUL. Lines without it, nearly all of them, are passed on unchanged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

from tap_common.json_decoder import EXACT_DECODER
from tap_common.messages import ENCODER
from tap_common.omissions import OMISSIONS

NUL = "\x00"
ESCAPED = rb"\u0000"
REPLACEMENT = "\ufffd"


def without_nul(lines: bytes | bytearray, stream: str, key: Collection[str]) -> bytes:
    """Return RECORD messages without NUL characters, which are counted.

    Args:
        lines: Whole lines.
        stream: The stream under which they are counted.
        key: The columns that are never null; others become null when nothing is left of them.
    """
    if ESCAPED not in lines:
        return bytes(lines)
    return b"".join(
        _cleaned(line, stream, key) if ESCAPED in line else line
        for line in bytes(lines).splitlines(keepends=True)
    )


def _cleaned(line: bytes, stream: str, key: Collection[str]) -> bytes:
    message = EXACT_DECODER.decode(line.decode())
    found: Counter[str] = Counter()
    before = message["record"]
    after: dict[str, Any] = _stripped(before, "", found)
    if not found:  # preceded by an escaped backslash: the text only looks like NUL
        return line
    for name, value in after.items():
        if value == "" and before.get(name) != "" and name not in key:
            after[name] = None
    OMISSIONS.nul_characters(stream, found)
    return ENCODER.encode(message | {"record": after}) + b"\n"


def _stripped(value: Any, path: str, found: Counter[str]) -> Any:
    """Return a value without NUL; ``found`` counts them by the property's path."""
    if isinstance(value, str):
        if NUL in value:
            found[path] += value.count(NUL)
        return value.replace(NUL, "")
    if isinstance(value, list):
        return [_stripped(item, path, found) for item in value]
    if isinstance(value, dict):
        return _stripped_object(value, path, found)
    return value


def _stripped_object(value: dict[str, Any], path: str, found: Counter[str]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, item in value.items():
        bare = _unique_name(name, value, kept) if NUL in name else name
        inner = f"{path}.{bare}" if path else bare
        if NUL in name:
            found[inner] += name.count(NUL)
        kept[bare] = _stripped(item, inner, found)
    return kept


def _unique_name(name: str, others: Collection[str], kept: Collection[str]) -> str:
    """Return a name without NUL that differs from those of all other properties."""
    bare = name.replace(NUL, "")
    if bare not in others and bare not in kept:
        return bare
    bare = name.replace(NUL, REPLACEMENT)
    while bare in others or bare in kept:
        bare += REPLACEMENT
    return bare
