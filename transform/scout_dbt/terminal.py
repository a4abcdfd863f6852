"""Makes untrusted text safe to print: models, data and databases may hold escape sequences.

The same rule as ``scout_control.rules.terminal``, which this program is installed without; a test
compares the two.
"""

from __future__ import annotations

import re

# Controls (C0 with DEL, C1), line separators, what reverses or hides text (bidirectional controls,
# invisible operators, tags) and lone surrogates. Joiners stay: some scripts need them.
UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def escaped(text: str, keep: str = "") -> str:
    """Return text with unsafe characters written as escapes, except those in ``keep``."""
    return UNSAFE.sub(lambda found: found[0] if found[0] in keep else repr(found[0])[1:-1], text)
