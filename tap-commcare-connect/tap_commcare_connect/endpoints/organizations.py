"""Organizations and programs: what the list of everything holds besides opportunities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from tap_common.full_table import FullTableSync, ListPage, Position, TableVersions

from tap_commcare_connect.account_index import AccountIndex, AccountIndexCache
from tap_commcare_connect.streams.base import ConnectStream
from tap_commcare_connect.values import Row


@dataclass(frozen=True)
class ListOfEverything:
    """The one document as a list of one page with one row: itself."""

    discovery: AccountIndexCache

    def page(self, position: Position | None, limit: int | None = None) -> ListPage:
        """Return the whole document."""
        del position, limit
        return ListPage([self.discovery.get()], None)


ROWS: dict[str, Callable[[AccountIndex], Sequence[Row]]] = {
    "organizations": lambda everything: everything.organizations,
    "programs": lambda everything: everything.programs,
}


def listing(
    streams: Sequence[ConnectStream], discovery: AccountIndexCache, versions: TableVersions
) -> FullTableSync:
    """Return the reading of the list of everything."""

    def expand(stream: ConnectStream, pages: Sequence[AccountIndex]) -> Any:
        return stream.records(row for page in pages for row in ROWS[stream.name](page))

    members = [(stream, partial(expand, stream)) for stream in streams]
    return FullTableSync("", members, ListOfEverything(discovery), versions)
