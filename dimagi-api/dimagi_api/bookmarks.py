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
        plain = self.state.get("bookmarks", {}).get(stream) or {}
        for partition in plain.get("partitions") or []:
            if (partition.get("context") or {}).get("domain") == domain:
                return {
                    name: copy.deepcopy(value)
                    for name, value in partition.items()
                    if name != "context"
                }
        own = {name: value for name, value in plain.items() if name != "partitions"}
        is_ours = own.get("domain", None if self._is_partitioned else domain) == domain
        return copy.deepcopy({k: v for k, v in own.items() if k != "domain"}) if is_ours else {}

    def write(self, stream: str, domain: str, entry: Entry) -> None:
        """Remember an entry instead of what was there for this stream and domain."""
        bookmarks = self.state.setdefault("bookmarks", {})
        if not self._is_partitioned:
            bookmarks[stream] = {**entry, **({"domain": domain} if domain else {})}
            return
        partitions = [
            partition
            for partition in (bookmarks.get(stream) or {}).get("partitions") or []
            if (partition.get("context") or {}).get("domain") != domain
        ]
        partitions.append({"context": {"domain": domain}, **entry})
        left = {
            name: value
            for name, value in (bookmarks.get(stream) or {}).items()
            if name == "partitions"
            or (bookmarks.get(stream) or {}).get("domain") not in {None, domain}
        }
        bookmarks[stream] = {**left, "partitions": partitions}
