"""Removes secrets and people's data from text that a plugin wrote, by rule.

A plugin that is not ours may quote anything: the rules remove what secrets and values look like,
and keep what says what happened. They rather remove too much. What no rule can recognise is an
unquoted name in a sentence.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scout_control.rules.secret_patterns import Hider
from scout_control.rules.terminal import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable

REMOVED = "[removed]"
MAX_CHARACTERS = 500
"""Of a message of one of our taps, with what to do about it."""
MAX_INPUT = 3_800
# What values of records look like, in the text of a plugin that may quote them.
VALUES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\{.*(?:\}|$)"), "{...}"),
    (re.compile(r"\[[^\]]*[,'\"][^\]]*(?:\]|$)"), "[...]"),
    (re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"), "..."),
    (re.compile(r"\b(?=\w*\d)[\w-]{24,}\b"), "..."),
    (re.compile(r"(?<![\w.])\+?\d(?:[\d ()-]{4,}\d)(?![\w.])"), "..."),
    (re.compile(r"(?<=\w=)(?!['\"(\[{])[^\s,;()]+"), "..."),
)
QUOTED = re.compile(
    r"(?<!\w)\"(?P<double>[^\"]*)(?:\"(?!\w)|$)|(?<!\w)'(?P<single>[^']*)(?:'(?!\w)|$)"
    r"|`(?P<back>[^`]*)`"
)
# What may stay in quotes: names of programs and settings, and the system's own messages.
NAMING = re.compile(
    r"(?:ModuleNotFound|Import|Attribute|Name|FileNotFound|Permission|NotADirectory)Error\b"
    r"|is a required property|(?i:missing|required|unknown|unrecognized|invalid) "
    r"(?i:(?:required )?(?:key|setting|option|argument|property|parameter|configuration)s?)"
)
STOCK = re.compile(
    r"(?i)connection (?:refused|reset by peer|aborted|timed out)|no route to host|timed out"
    r"|network is unreachable|name or service not known|temporary failure in name resolution"
    r"|certificate verify failed[^'\"(]*|certificate has expired|max retries exceeded"
)


def quoted(text: str, secrets: Iterable[str] = (), *, may_quote_records: bool = True) -> str:
    """Return text as one line of limited length, without what must not be shown.

    Args:
        text: What a plugin wrote.
        secrets: The secrets that the plugin was given, in any spelling.
        may_quote_records: Whether it may quote values of records; ours never do.
    """
    words = text[:MAX_INPUT].split()
    if len(text) >= MAX_INPUT:
        words = words[:-1]  # may be half of a secret, which would not be recognised
    line = " ".join(words)
    line = Hider(secrets, REMOVED)(line)
    if may_quote_records:
        line = _without_values(line)
    line = escaped(line).strip()
    return _shortened(line)


def _shortened(line: str) -> str:
    """Return a line of limited length; one that is too long ends with a sentence, if it can."""
    if len(line) <= MAX_CHARACTERS:
        return line
    end = line.rfind(". ", MAX_CHARACTERS // 2, MAX_CHARACTERS - len(" ..."))
    return f"{line[: end + 1]} ..." if end > 0 else f"{line[: MAX_CHARACTERS - 3]}..."


def _without_values(line: str) -> str:
    keeps_names = NAMING.search(line) is not None
    line = QUOTED.sub(lambda found: _quoted_part(found, keeps_names=keeps_names), line)
    for pattern, replacement in VALUES:
        line = pattern.sub(replacement, line)
    return line


def _quoted_part(found: re.Match[str], *, keeps_names: bool) -> str:
    content = next(each for each in found.groups() if each is not None)
    if stock := STOCK.search(content):
        return f"'{stock[0]}'"
    if keeps_names and re.fullmatch(r"[\w./-]{1,100}", content):
        return f"'{content}'"
    return "'...'"
