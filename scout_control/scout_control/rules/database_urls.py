"""What a message may show of a database's URL. Pure.

An unescaped character in a password moves the borders of a URL's parts: what is taken for the host
or the database may be a part of the password. Only a URL that can be read in one way is shown.
"""

from __future__ import annotations

import re

PLAIN = re.compile(
    r"postgres(?:ql)?(?:\+\w+)?://(?:[^\s@/?#:]+(?::[^\s@/?#]*)?@)?"
    r"(?P<host>[\w.-]+)(?::(?P<port>\d{1,5}))?(?:/(?P<database>[\w.-]*))?"
    r"(?:\?(?:sslmode|connect_timeout|application_name)=[\w.-]*)?",
    re.ASCII,
)


def shown(url: str) -> str:
    """Return host, port and database of a URL, or words if any of them is not sure."""
    found = PLAIN.fullmatch(url)
    if found is None or int(found["port"] or 5432) > 65535:
        return "the server of the given URL"
    port, database = found["port"], found["database"]
    return found["host"] + (f":{port}" if port else "") + (f"/{database}" if database else "")


def is_ambiguous(url: str) -> bool:
    """Return whether a part of the login may have been taken for another part of the URL."""
    scheme, _, rest = url.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    return "@" in rest[len(authority) :] or authority.count("@") > 1 or not scheme
