"""What is remembered between runs, per stream and domain, in the shape that the SDK uses.

One domain: ``bookmarks.<stream>``. Several: ``bookmarks.<stream>.partitions[]`` with the domain as
context. A state that was written for one is understood by the other, and a state of another domain
is never applied. It must not know what the entries mean.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

Entry = dict[str, Any]
State = dict[str, Any]


class Bookmarks:
    """The entries of one run.

    Args:
        state: The tap's state, which is changed in place and is what STATE messages hold.
        domains: The domains of this run; none for an API that has no such thing.
    """

    def __init__(self, state: State, domains: Sequence[str] = ()) -> None:
        self.state = state
        self._is_partitioned = len(domains) > 1

    def read(self, stream: str, domain: str) -> Entry:
        """Return a copy of what is remembered; empty if there is nothing for this domain."""
        known = self.state.get("bookmarks", {}).get(stream) or {}
        for partition in _partitions(known):
            if _domain_of(partition) == domain:
                return _copy(partition, without="context")
        # A state that names no domain was written for the only one there was.
        written_for = known.get("domain", None if self._is_partitioned else domain)
        return _copy(known, without="domain") if written_for == domain else {}

    def write(self, stream: str, domain: str, entry: Entry) -> None:
        """Remember an entry instead of what was there for this stream and domain."""
        bookmarks = self.state.setdefault("bookmarks", {})
        if not self._is_partitioned:
            bookmarks[stream] = entry | ({"domain": domain} if domain else {})
            return
        known = bookmarks.get(stream) or {}
        others = [p for p in _partitions(known) if _domain_of(p) != domain]
        # An entry of the time before there were several stays until its domain is written.
        plain = known if known.get("domain") not in {None, domain} else {}
        bookmarks[stream] = plain | {
            "partitions": [*others, {"context": {"domain": domain}} | entry]
        }


def _partitions(known: Entry) -> list[Entry]:
    """Return what is remembered by domain; nothing of a state that holds something else there."""
    held = known.get("partitions")
    return [p for p in held if isinstance(p, dict)] if isinstance(held, list) else []


def _domain_of(partition: Entry) -> object:
    context = partition.get("context")
    return context.get("domain") if isinstance(context, dict) else None


def _copy(entry: Entry, without: str) -> Entry:
    left = {name: value for name, value in entry.items() if name not in {without, "partitions"}}
    return copy.deepcopy(left)
