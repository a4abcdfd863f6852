"""Text from elsewhere, fit for a terminal or a log: nothing in it is obeyed, all of it is seen.

Names, values and messages of databases and sources may hold escape sequences, which set a clipboard
or a link, carriage returns and marks of direction, which make a line look like another one.
"""

from __future__ import annotations

import json
import re
from typing import Any

# Controls (C0 with DEL, C1), separators of lines, what reverses or hides text (bidirectional
# controls, invisible operators, tags), halves of surrogate pairs. Joiners stay: scripts need them.
OBEYED = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def harmless(text: str, keep: str = "") -> str:
    """Return text with what a terminal would obey spelled out, but for the characters to keep."""
    return OBEYED.sub(lambda found: found[0] if found[0] in keep else _spelled(found[0]), text)


def as_json(data: Any, indent: int | None = None) -> str:
    """Return data as JSON that can be read, and that does nothing to a terminal either."""
    text = json.dumps(data, default=str, ensure_ascii=False, indent=indent)
    return OBEYED.sub(lambda found: _as_in_json(found[0]), text)


def _as_in_json(character: str) -> str:
    if character in "\n\x7f":  # the end of a line of ours; and what JSON leaves as it is
        return character.replace("\x7f", "\\u007f")
    return json.dumps(character)[1:-1]


def _spelled(character: str) -> str:
    return repr(character)[1:-1]  # none of them is printable
