"""Which changes of a connection could send its stored password to someone else, or in clear.

Someone who may change a connection does not know its password. They could learn it with their own
server, or by listening to a session that is no longer verified. So they have to give it for these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LEVELS: Mapping[str, Sequence[str]] = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "channel_binding": ("disable", "prefer", "require"),
}
"""What each protects, from the least on."""
DEFAULT = "prefer"
"""Of both, in libpq."""
BOUND = (
    *("host", "port", "user"),
    *("sslrootcert", "sslcert", "sslkey", "sslcrl", "sslcrldir", "sslcertmode", "sslsni"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version", "sslnegotiation"),
    *("require_auth", "gssencmode"),
)
"""Any change of these needs the password."""


def needing_password(before: Mapping[str, Any], after: Mapping[str, Any]) -> Sequence[str]:
    """Return the changes that need the password; what is not set is missing or None."""
    changed = [name for name in BOUND if (before.get(name) or None) != (after.get(name) or None)]
    lowered = [
        name
        for name, levels in LEVELS.items()
        if not _is_as_strong(levels, before.get(name) or DEFAULT, after.get(name) or DEFAULT)
    ]
    return [*changed, *lowered]


def _is_as_strong(levels: Sequence[str], before: str, after: str) -> bool:
    if before == after:
        return True
    known = before in levels and after in levels
    return known and levels.index(after) > levels.index(before)
