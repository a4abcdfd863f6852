"""Texts of applications as one line for people: labels, names and titles.

Labels are written for a phone: with Markdown, tags, references to other answers, in any script and
of any length. What is left of them is plain text, which every reader still has to escape.
"""

from __future__ import annotations

import html
import json
import re
import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_LABEL = 300
LONGEST_NAME = 200
LONGEST_READ = 5_000
"""Of a label; the rest is not looked at."""
ENGLISH = "en"
JOINERS = "\u200c\u200d"  # letters of several scripts are written with them

QUOTED = r"\"[^\"]*\"|'[^']*'"
OUTPUT = re.compile(
    rf"<(?:\w+:)?output\b((?:[^<>\"']|{QUOTED})*)>(?:\s*</(?:\w+:)?output\s*>)?", re.IGNORECASE
)
VALUE = re.compile(r"\b(?:value|ref)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", re.IGNORECASE)
PATH_OF_FORM = re.compile(r"(?:/data|#\w+)(?:/[\w.-]+)*/([\w.-]+)")
LAST_STEP = re.compile(r"/@?([\w.-]+)\s*$")
# Only what is well-formed: "age <5 or >10" has no tag.
ATTRIBUTES = rf"(?:\s+[^\s<>=\"']+\s*=\s*(?:{QUOTED}|[^\s\"'<>]+))*"
TAG = re.compile(rf"</?([a-z][\w:-]*){ATTRIBUTES}\s*/?>", re.IGNORECASE)
BLOCK = re.compile(r"br|p|div|li|ul|ol|tr|td|th|h[1-6r]|table", re.IGNORECASE)
LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*\)")
HEADING = re.compile(r"^[ ]{0,3}#{1,6}\s+", re.MULTILINE)
BOLD = re.compile(r"(?<!\w)(\*\*|__)(?=[^\s_*])(.+?)(?<=[^\s_*])\1(?!\w)")


def label(text: Any, translations: Any = None) -> str:
    """Return a label as one line of plain text; empty if no language has one.

    Args:
        text: The label in the default language, or in all of them, by language.
        translations: The labels by language, for a default language without one.
    """
    for found in (_localized(text), _localized(translations)):
        if cleaned := _plain(found[:LONGEST_READ]):
            return cut(cleaned, LONGEST_LABEL)
    return ""


def name(text: Any, longest: int = LONGEST_NAME) -> str:
    """Return a name, title or path as one line without control characters."""
    return cut(_one_line(str(text)), longest)


def words(text: str) -> list[str]:
    """Return the words of a label or name, without what is written between them."""
    return "".join(sign if sign.isalnum() else " " for sign in text.casefold()).split()


def cut(text: str, longest: int) -> str:
    """Return a text of at most this length, cut between words where there are some."""
    if len(text) <= longest:
        return text
    kept = text[: longest - 3]
    words = kept.rpartition(" ")[0]
    return f"{(words if len(words) > longest // 2 else kept).rstrip()}..."


def _localized(value: Any) -> str:
    """Return a text: of several languages the English one, or else the first with a text."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        value = _by_language(value)
    if isinstance(value, dict):
        texts = (value.get(ENGLISH), *value.values())
        return next((each for each in texts if isinstance(each, str) and each.strip()), "")
    return value if isinstance(value, str) else ""


def _by_language(text: str) -> str | Mapping[str, Any]:
    """Return the object that a text holds as JSON, or the text."""
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return parsed if isinstance(parsed, dict) else text


def _plain(text: str) -> str:
    """Return a text without markup; an output is written as the name of what it shows."""
    text = TAG.sub(_gap, OUTPUT.sub(_placeholder, text))
    # Labels are escaped once too often by some editors.
    text = OUTPUT.sub(_placeholder, html.unescape(text))
    text = BOLD.sub(r"\2", LINK.sub(r"\1", HEADING.sub("", text)))
    return _one_line(text)


def _placeholder(found: re.Match[str]) -> str:
    shown = VALUE.search(found[1])
    expression = html.unescape(shown[1] or shown[2] or "") if shown else ""
    step = PATH_OF_FORM.search(expression) or LAST_STEP.search(expression)
    return f"[{step[1] if step else '...'}]"


def _gap(found: re.Match[str]) -> str:
    return " " if BLOCK.fullmatch(found[1]) else ""


def _one_line(text: str) -> str:
    return " ".join("".join(map(_visible, text)).split())


def _visible(sign: str) -> str:
    """Return a character; a blank for a control, nothing for an invisible mark of formatting.

    Such marks turn the direction of all text behind them.
    """
    category = unicodedata.category(sign)
    if category in {"Cc", "Zl", "Zp"}:
        return " "
    return "" if category in {"Cf", "Cs"} and sign not in JOINERS else sign
