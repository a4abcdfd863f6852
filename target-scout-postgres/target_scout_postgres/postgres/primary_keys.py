"""How the primary keys of tables are made and changed.

A key that the rows of a table do not allow is left out: merging is slower then, and as right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg2

from target_scout_postgres import logs
from target_scout_postgres.postgres import row_statements, statements
from target_scout_postgres.postgres.identifiers import own
from target_scout_postgres.postgres.schema_manager import primary
from target_scout_postgres.postgres.schema_snapshot import COMPUTED, Key, Table

if TYPE_CHECKING:
    from psycopg2.sql import Composable

    from target_scout_postgres.postgres.schema_manager import Tables
    from target_scout_postgres.postgres.session import Session

TOO_LONG = "{}: a value of the key is too long for an index; merging is slower without one"
NOT_ALLOWED = (psycopg2.errors.UniqueViolation, psycopg2.errors.NotNullViolation)


class Keys:
    """The keys of the dataset schema's tables."""

    def __init__(self, session: Session, tables: Tables) -> None:
        self._session = session
        self._tables = tables

    def add(self, table: Table, key: tuple[str, ...]) -> None:
        """Give a table filled in this transaction its key, keeping the last of duplicates."""
        place = self._tables.place(table.name)
        name = self._tables.free_name("key", table.name)
        add = statements.add_key(place, name, key)
        keep_last = row_statements.keep_last(place, key)
        table.asked_key = key
        try:
            self._session.attempt(add)
        except psycopg2.errors.UniqueViolation:
            self._session.execute(keep_last, doing="removing duplicates")
            self._session.execute(add, doing=f"building the key of {table.name}")
        except psycopg2.errors.ProgramLimitExceeded:  # a value is too long for an index
            self._session.execute(keep_last, doing="removing duplicates")
            logs.warning(TOO_LONG.format(table.name))
            return
        except psycopg2.Error as error:
            raise self._session.refusal(error, f"building the key of {table.name}") from None
        table.keys.append(Key(name, name, key))

    def fits(self, table: Table, key: tuple[str, ...]) -> bool:
        """Return whether a table has the key that its stream has now, or cannot have it."""
        if not table.exists or table.is_new or table.asked_key == key:
            return True
        return table.has_key(key) if key else not primary(table)

    def change(self, table: Table, key: tuple[str, ...]) -> None:
        """Make the key of a table that is there the one that its stream has now."""
        table.asked_key = key
        place = self._tables.place(table.name)
        changes: list[Composable] = []
        for old in primary(table):
            changes.append(statements.drop_constraint(place, old.constraint or ""))
            rest = [name for name in old.columns if name not in key]
            changes += [
                statements.drop_not_null(place, name)
                for name in rest
                if not table.columns[name].startswith(COMPUTED)
            ]
        if not key:
            self._tables.alter(table, changes)
            logs.info(f"{table.name}: dropped the key, as the stream has none now")
            self._drop_primary(table)
            return
        self._replace(table, key, changes)

    def _replace(self, table: Table, key: tuple[str, ...], changes: list[Composable]) -> None:
        place = self._tables.place(table.name)
        name = self._tables.free_name("key", f"{table.name} {key}")
        too_long = psycopg2.errors.ProgramLimitExceeded
        try:
            add = statements.add_key(place, name, key)
            self._tables.alter(table, [*changes, add], tolerated=(*NOT_ALLOWED, too_long))
        except too_long:
            logs.warning(TOO_LONG.format(table.name))
        except NOT_ALLOWED:
            logs.warning(
                f"{table.name}: the rows that are there do not allow the stream's key; they stay, "
                "and merging is slower"
            )
            search = statements.add_search_index(place, own("index", f"{table.name} {key}"), key)
            self._tables.alter(table, [*changes, search])
            self._drop_primary(table)
        else:
            self._drop_primary(table)
            table.keys.append(Key(name, name, key))

    def _drop_primary(self, table: Table) -> None:
        gone = primary(table)
        table.keys = [old for old in table.keys if old not in gone]
