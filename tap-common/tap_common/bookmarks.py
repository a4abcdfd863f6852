"""The bookmarks of a state, per stream and domain, in the SDK's format.

One domain: ``bookmarks.<stream>``. Several: ``bookmarks.<stream>.partitions[]`` with the domain as
context. Both formats are read, however many domains are configured, and the bookmark of one domain
is never applied to another. This module does not know what the bookmarks mean.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

Entry = dict[str, Any]
State = dict[str, Any]


class Bookmarks:
    """The bookmarks of one run.

    Args:
        state: The tap's state, which STATE messages contain; it is changed in place.
        domains: The domains of this run; empty for an API without domains.
    """

    def __init__(self, state: State, domains: Sequence[str] = ()) -> None:
        self.state = state
        self._is_partitioned = len(domains) > 1

    def read(self, stream: str, domain: str) -> Entry:
        """Return a copy of the bookmark of a stream and domain; empty if it has no bookmark."""
        known = self.state.get("bookmarks", {}).get(stream) or {}
        for partition in _partitions(known):
            if _domain_of(partition) == domain:
                return _copy(partition, without="context")
        # A state without a domain was written when there was only one.
        written_for = known.get("domain", None if self._is_partitioned else domain)
        return _copy(known, without="domain") if written_for == domain else {}

    def write(self, stream: str, domain: str, entry: Entry) -> None:
        """Replace the bookmark of a stream and domain."""
        bookmarks = self.state.setdefault("bookmarks", {})
        if not self._is_partitioned:
            bookmarks[stream] = entry | ({"domain": domain} if domain else {})
            return
        known = bookmarks.get(stream) or {}
        others = [p for p in _partitions(known) if _domain_of(p) != domain]
        # A bookmark written for a single domain stays until that domain is written again.
        plain = known if known.get("domain") not in {None, domain} else {}
        bookmarks[stream] = plain | {
            "partitions": [*others, {"context": {"domain": domain}} | entry]
        }


def _partitions(known: Entry) -> list[Entry]:
    """Return the partitions of a bookmark, without what another program may have put there."""
    held = known.get("partitions")
    return [p for p in held if isinstance(p, dict)] if isinstance(held, list) else []


def _domain_of(partition: Entry) -> object:
    context = partition.get("context")
    return context.get("domain") if isinstance(context, dict) else None


def _copy(entry: Entry, without: str) -> Entry:
    rest = {name: value for name, value in entry.items() if name not in {without, "partitions"}}
    return copy.deepcopy(rest)
