"""Organizations and programs, which the account index contains besides opportunities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from tap_common.full_table import FullTableSync, ListPage, Position, TableVersions
from tap_common.raw_converters import RawRow

from tap_commcare_connect.account_index import AccountIndex, AccountIndexLoader
from tap_commcare_connect.streams.base import ConnectStream


@dataclass(frozen=True)
class AccountIndexSource:
    """The account index as a list with a single row, the index itself."""

    account: AccountIndexLoader

    def page(self, position: Position | None, limit: int | None = None) -> ListPage:
        """Return the account index."""
        del position, limit
        return ListPage([self.account.get()], None)


ROWS: dict[str, Callable[[AccountIndex], Sequence[RawRow]]] = {
    "organizations": lambda index: index.organizations,
    "programs": lambda index: index.programs,
}


def account_index_sync(
    streams: Sequence[ConnectStream], account: AccountIndexLoader, versions: TableVersions
) -> FullTableSync:
    """Return the task that reads organizations and programs."""

    def records(stream: ConnectStream, indexes: Sequence[AccountIndex]) -> Any:
        return stream.records(row for index in indexes for row in ROWS[stream.name](index))

    members = [(stream, partial(records, stream)) for stream in streams]
    return FullTableSync("", members, AccountIndexSource(account), versions)
