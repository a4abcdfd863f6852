"""Removes secrets and values of records from text that others wrote, such as logs of plugins.

Secrets that the run knows are removed exactly, in the usual encodings. What looks like a secret, a
record or a value that Postgres quotes is removed by its form, since any program may print it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scout_control.rules.secret_patterns import Hider

if TYPE_CHECKING:
    from collections.abc import Iterable

HIDDEN = "***"
# A JSON or Python mapping with values: a record, or a message that holds one.
RECORD = re.compile(r"\{\s*[\"'][^{}]*[\"']\s*:[^{}]*\}")
CUT_RECORD = re.compile(r"\{\s*[\"'][^\"'{}]{1,80}[\"']\s*:.*", re.DOTALL)
REMOVED = (
    "\0"  # stands for a record meanwhile; logs are escaped later, so that it is no text of theirs
)
# What stands in quotes, unless a word before it says that it is a name.
QUOTED = re.compile(
    r"(?<!relation )(?<!column )(?<!schema )(?<!table )(?<!view )(?<!model )(?<!type )(?<!module )"
    r"(?<!constraint )(?<!role )(?<!index )(?<!database )(?<!setting )(?<!stream )"
    r"(?:\"[^\"]*\"|(?<!\w)'[^']*'(?!\w))"
)
NESTED_DEEPLY = 12


class Redactor:
    """Redacts text of one run.

    Args:
        secrets: The values that the run was given in confidence.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._hide = Hider(secrets, HIDDEN)

    def __call__(self, text: str, *, may_quote_records: bool = False) -> str:
        """Return a text without secrets and values of records.

        Args:
            text: The text.
            may_quote_records: Whether its program may quote values in sentences; ours never do.
        """
        text = self._hide(text)
        for _ in range(NESTED_DEEPLY):
            text, found = RECORD.subn(REMOVED, text)
            if not found:
                break
        text = CUT_RECORD.sub(REMOVED, text)
        if may_quote_records:
            text = QUOTED.sub('"..."', text)
        return text.replace(REMOVED, "{...}")
