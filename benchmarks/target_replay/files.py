"""Finds files with Singer messages below a directory, and known differences."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

NOTES = Path(__file__).parent / "notes.toml"
LARGEST_BYTES = 64 << 20
TYPES = {"SCHEMA", "RECORD", "STATE", "ACTIVATE_VERSION", "BATCH"}
LEFT_OUT = {".git", ".venv", "node_modules"}


class Found(NamedTuple):
    """A file of messages; identical files are replayed once."""

    path: str  # below the directory given
    repository: str  # its first part
    lines: list[bytes]
    digest: str


def find(root: Path) -> Iterator[Found]:
    """Yield the files of which half the lines are Singer messages, or more."""
    for path in sorted(root.rglob("*")):
        below = path.relative_to(root)
        if not path.is_file() or LEFT_OUT & set(below.parts) or path.stat().st_size > LARGEST_BYTES:
            continue
        data = path.read_bytes()
        lines = data.split(b"\n")
        if is_messages(lines):
            has_batches = b'"BATCH"' in data  # whose files are named from the repository on
            salt = below.parts[0].encode() if has_batches else b""
            digest = hashlib.sha256(salt + data).hexdigest()
            yield Found(below.as_posix(), below.parts[0], lines, digest)


def is_messages(lines: list[bytes]) -> bool:
    """Return whether the lines of a file are Singer messages for a target."""
    types = [_type(line) for line in lines if line and not line.isspace()]
    known = len(types) - types.count(None)
    return known > 0 and 2 * known >= len(types)


def _type(line: bytes) -> str | None:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    kind = message.get("type") if isinstance(message, dict) else None
    return kind if isinstance(kind, str) and kind in TYPES else None


class Notes:
    """Known differences and rejected inputs, one line each (`notes.toml`)."""

    def __init__(self) -> None:
        notes: dict[str, list[dict[str, Any]]] = tomllib.loads(NOTES.read_text())
        self._differences = notes.get("difference", [])
        self._refusals = notes.get("refusal", [])

    def refusal(self, reason: str) -> str:
        """Return the explanation of a rejected input, by the model's reason."""
        found = (note["why"] for note in self._refusals if note["says"] in reason)
        return str(next(found, reason.partition(": ")[2]))

    def explanation(self, path: str, mode: str, difference: str) -> str | None:
        """Return the explanation of a file's difference; None if it is unknown."""
        for note in self._differences:
            is_meant = mode in note.get("modes", ("once", "again", "chain"))
            if is_meant and fnmatch.fnmatch(path, note["path"]) and note["says"] in difference:
                return str(note["why"])
        return None
