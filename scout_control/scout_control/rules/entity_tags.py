"""Entity tags: by them, a change that is based on an outdated representation is refused."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
LIST = re.compile(rf"(?:[ \t]*(?:{TAG.pattern}[ \t]*)?(?:,|$))*")
LETTERS = 32


def entity_tag(document: Mapping[str, Any]) -> str:
    """Return the strong tag of a representation, in quotes as in the header."""
    text = json.dumps(document, sort_keys=True, ensure_ascii=False, default=str)
    return f'"{hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:LETTERS]}"'


def fits(condition: str, tag: str) -> bool:
    """Return whether ``If-Match`` allows a change of what has this tag.

    The comparison is the strong one: a weak tag never fits.
    """
    return condition.strip() == "*" or tag in _tags(condition)


def is_known(condition: str, tag: str) -> bool:
    """Return whether ``If-None-Match`` says that the caller has what has this tag.

    The comparison is the weak one.
    """
    known = {each.removeprefix("W/") for each in _tags(condition)}
    return condition.strip() == "*" or tag in known


def _tags(condition: str) -> list[str]:
    """Return the tags of a list; none if it is malformed."""
    return TAG.findall(condition) if LIST.fullmatch(condition) else []
