"""Redacts database URLs in messages.

An unescaped character in a password shifts the boundaries of a URL: what parses as the host or the
database may be part of the password. So only a URL with a single possible reading is shown.
"""

from __future__ import annotations

import re

UNAMBIGUOUS = re.compile(
    r"postgres(?:ql)?(?:\+\w+)?://(?:[^\s@/?#:]+(?::[^\s@/?#]*)?@)?"
    r"(?P<host>[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?(?:/(?P<database>[\w.-]*))?"
    r"(?:\?(?:sslmode|connect_timeout|application_name)=[\w.-]*)?",
    re.ASCII,
)


def redacted(url: str) -> str:
    """Return host, port and database of a URL, or a generic phrase if any of them is uncertain."""
    match = UNAMBIGUOUS.fullmatch(url)
    if match is None or int(match["port"] or 5432) > 65535:
        return "the server of the given URL"
    port, database = match["port"], match["database"]
    return match["host"] + (f":{port}" if port else "") + (f"/{database}" if database else "")


def is_ambiguous(url: str) -> bool:
    """Return whether part of the user or password may parse as another part of the URL."""
    scheme, _, rest = url.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    return "@" in rest[len(authority) :] or authority.count("@") > 1 or not scheme
