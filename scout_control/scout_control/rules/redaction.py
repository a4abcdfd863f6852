"""Removes secrets and values of records from text that others wrote, such as logs of plugins.

Secrets that the run knows are removed exactly, in the usual encodings. What looks like a secret, a
record or a value that Postgres quotes is removed by its form, since any program may print it.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable

HIDDEN = "***"
SHORTEST_SECRET = 4
"""Shorter values are found everywhere by chance, and protect nothing."""
PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        # postgresql://user:password@host
        (r"(\b[a-z][a-z0-9+.-]*://[^\s/:@]*):[^\s@/]+@", rf"\1:{HIDDEN}@"),
        # Authorization: Bearer ..., ApiKey user:key
        (r"\b(authorization\W{1,4})[^\s'\",}]+(?: [^\s'\",}]+)?", rf"\1{HIDDEN}"),
        (r"\b(bearer|basic|apikey|token) +[\w.~+/=:@-]{8,}", rf"\1 {HIDDEN}"),
        # password=..., "api_key": "...", client_secret: ...
        (
            r"(\b\w*(?:password|passwd|secret|token|api_?key|access_?key|private_?key)\w*"
            r"[\"']?\s*[=:]\s*[\"']?)[^\s\"',;&}]+",
            rf"\1{HIDDEN}",
        ),
        # https://host/path?case_name=...; addresses of people
        (r"(\bhttps?://[^\s?#'\"]*)[?#][^\s'\"]*", rf"\1?{HIDDEN}"),
        (r"\bcookie\b.*", f"cookie {HIDDEN}"),
        (r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", "[e-mail]"),
        # Postgres: Key (name)=(Asha) already exists; COPY things, line 3, column age: "x"
        (r"(\bKey \([^)]*\)=)\(.*?\)(?= |\.|$)", rf"\1({HIDDEN})"),
        (r"(\bFailing row contains )\(.*", rf"\1({HIDDEN})"),
        (r"(\bCOPY .{1,200}?, line \d+(?:, column [^:]{1,80})?: )\".*", rf'\1"{HIDDEN}"'),
        (
            r"(\binvalid (?:input (?:syntax|value) for|byte sequence for) [^:]{1,80}: ).*",
            rf"\1{HIDDEN}",
        ),
        (r"(\bvalue )\"[^\"]*\"( is out of range)", rf'\1"{HIDDEN}"\2'),
    )
)
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
        self._spellings = spellings(secrets)

    def __call__(self, text: str, *, may_quote_records: bool = False) -> str:
        """Return a text without secrets and values of records.

        Args:
            text: The text.
            may_quote_records: Whether its program may quote values in sentences; ours never do.
        """
        for spelling in self._spellings:
            if spelling in text:
                text = text.replace(spelling, HIDDEN)
        for pattern, replacement in PATTERNS:
            text = pattern.sub(replacement, text)
        for _ in range(NESTED_DEEPLY):
            text, found = RECORD.subn(REMOVED, text)
            if not found:
                break
        text = CUT_RECORD.sub(REMOVED, text)
        if may_quote_records:
            text = QUOTED.sub('"..."', text)
        return text.replace(REMOVED, "{...}")


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
