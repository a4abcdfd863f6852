"""What secrets, addresses of people and values in errors of Postgres look like.

Every text that others wrote goes through here before it is shown or stored.
The log of a run (``redaction``) and the message of a plugin (``quotation``) build on it.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable

SHORTEST_SECRET = 4
"""Shorter values are found everywhere by chance, and protect nothing."""
MARK = "\0"  # stands for what is removed, until the caller's own mark takes its place
NAMES = (
    r"[\w.-]*(?:passw(?:or)?d|passphrase|pwd|secret|token|(?:api|access|private)[_-]?key|credential)"
    r"[\w.-]*"
)
PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        # postgresql://user:password@host, also where the password holds an @ or a slash
        (r"(?<=://)[^\s'\"]*@", f"{MARK}@"),
        # https://host/path?case_name=...
        (r"(\bhttps?://[^\s?#'\"]*)[?#][^\s'\"]*", rf"\1?{MARK}"),
        # Authorization: Bearer ..., ("Cookie", "session=...")
        (
            r"\b((?:proxy-)?authorization|(?:set-)?cookie)\b(?:[\"']\s*,|[\"']?\s*[:=]).*",
            rf"\1: {MARK}",
        ),
        (r"\b(bearer|apikey)\s+[^\s,;]+", rf"\1 {MARK}"),
        (r"\b(basic|token|digest)\s+(?=\S*[\d=])[^\s,;]{6,}", rf"\1 {MARK}"),
        (r"\b(basic|token|digest)\s+[\w.~+/=:@-]{20,}", rf"\1 {MARK}"),
        # password=..., "api_key": "...", config['client_secret'] = '...'
        (
            rf"\b({NAMES}[\"']?\]?\s*[:=]\s*)(?:'[^']*'|\"[^\"]*\"|[^\s\"',;&}}]+)",
            rf"\1{MARK}",
        ),
        (r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", "[e-mail]"),
        # Postgres: Key (name)=(Asha) already exists; COPY things, line 3, column age: "x"
        (r"(\(\w+(?:, \w+)*\)=)\(.*?\)(?= |\.|$)", rf"\1({MARK})"),
        (r"(\bFailing row contains )\(.*", rf"\1({MARK})"),
        (r"(\bCOPY .{1,200}?, line \d+(?:, column [^:]{1,80})?: )\".*", rf'\1"{MARK}"'),
        (
            r"(\binvalid (?:input (?:syntax|value) for|byte sequence for) [^:]{1,80}: ).*",
            rf"\1{MARK}",
        ),
        (r"(\bvalue )\"[^\"]*\"( is out of range)", rf'\1"{MARK}"\2'),
    )
)


class Hider:
    """Removes known secrets in the usual spellings, and what looks like one.

    Args:
        secrets: The values that the writers of the text were given in confidence.
        mark: What takes the place of what is removed.
    """

    def __init__(self, secrets: Iterable[str], mark: str) -> None:
        self._spellings = spellings(secrets)
        self._mark = mark

    def __call__(self, text: str) -> str:
        """Return a text without secrets."""
        text = text.replace(MARK, "")
        for spelling in self._spellings:
            if spelling in text:
                text = text.replace(spelling, MARK)
        for pattern, replacement in PATTERNS:
            text = pattern.sub(replacement, text)
        return text.replace(MARK, self._mark)


def spellings(secrets: Iterable[str]) -> list[str]:
    """Return secrets as they may appear in text: in URLs, JSON, Python and headers.

    The longest come first, since one secret may contain another.
    """
    found = {each for secret in secrets for each in _spellings(secret)}
    return sorted((each for each in found if len(each) >= SHORTEST_SECRET), key=len, reverse=True)


def _spellings(secret: str) -> set[str]:
    if len(secret) < SHORTEST_SECRET:
        return set()
    encoded = base64.b64encode(secret.encode(errors="surrogatepass")).decode()
    return {
        secret,
        " ".join(secret.split()),
        quote(secret, safe="", errors="replace"),
        quote_plus(secret, errors="replace"),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        encoded,
        encoded.rstrip("="),
    }
