"""Escapes control characters in untrusted text for terminals and logs.

Names, values and messages of databases and sources may hold escape sequences, which can set the
clipboard or links, and carriage returns and direction marks, which can disguise a line as another.
"""

from __future__ import annotations

import json
import re
from typing import Any

# Controls (C0 with DEL, C1), line separators, characters that reverse or hide text (bidirectional
# controls, invisible operators, tags), lone surrogates. Joiners stay: some scripts need them.
CONTROL_CHARACTERS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def escaped(text: str, keep: str = "") -> str:
    """Return text with control characters escaped, except those in ``keep``."""
    return CONTROL_CHARACTERS.sub(
        lambda match: match[0] if match[0] in keep else _escaped(match[0]), text
    )


def as_json(data: Any, indent: int | None = None) -> str:
    """Return data as readable JSON with control characters escaped."""
    text = json.dumps(data, default=str, ensure_ascii=False, indent=indent)
    return CONTROL_CHARACTERS.sub(lambda match: _escaped_as_json(match[0]), text)


def _escaped_as_json(character: str) -> str:
    if character in "\n\x7f":  # line ends of our own indentation; DEL, which JSON does not escape
        return character.replace("\x7f", "\\u007f")
    return json.dumps(character)[1:-1]


def _escaped(character: str) -> str:
    return repr(character)[1:-1]  # repr escapes them: none is printable
