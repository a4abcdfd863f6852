"""Remove from lines what Postgres cannot store: NUL characters and lone surrogates."""

from __future__ import annotations

import re
from collections.abc import Sequence

# An escape sequence counts only if the backslashes before it pair up.
NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
SURROGATES = re.compile(
    rb"(?<!\\)((?:\\\\)*)((?:\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})+)"
    rb"|(?<!\\)((?:\\\\)*)\\u[dD][89abcdefABCDEF][0-9a-fA-F]{2}"
)
STATE_LINE = re.compile(rb'\s*\{\s*"type"\s*:\s*"STATE"')
SUSPECTS = (rb"\u0000", rb"\ud", rb"\uD")


class Sanitizer:
    """Sanitizes lines and counts the NUL characters that it removed.

    STATE is printed as it came: a tap must find its own bookmarks unchanged.
    """

    def __init__(self) -> None:
        self.removed_nuls = 0

    def sanitize(self, lines: Sequence[bytes]) -> Sequence[bytes]:
        """Return the lines without NUL characters and lone surrogates."""
        # One search over all lines: almost no chunk holds any of them.
        if not _is_suspect(b"".join(lines)):
            return lines
        return [self._sanitize_line(line) if _is_suspect(line) else line for line in lines]

    def _sanitize_line(self, line: bytes) -> bytes:
        if STATE_LINE.match(line):
            return line
        line, removed = sanitized(line)
        self.removed_nuls += removed
        return line


def _is_suspect(text: bytes) -> bool:
    # The cheapest search comes first.
    return b"\\" in text and rb"\u" in text and any(suspect in text for suspect in SUSPECTS)


def sanitized(line: bytes) -> tuple[bytes, int]:
    """Return the line with U+FFFD for lone surrogates, and how many NULs were removed from it."""
    removed = 0
    if rb"\u0000" in line:
        line, removed = NUL.subn(rb"\1", line)
    if rb"\ud" in line or rb"\uD" in line:
        line = SURROGATES.sub(_replace_lone_surrogate, line)
    return line, removed


def _replace_lone_surrogate(match: re.Match[bytes]) -> bytes:
    if match.group(2) is not None:  # a whole pair
        return match.group(0)
    return match.group(3) + rb"\ufffd"
