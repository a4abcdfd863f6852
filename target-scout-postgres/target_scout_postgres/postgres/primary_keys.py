"""Creates and changes the primary keys of tables.

A key that the rows of a table do not allow is left out: merging is then slower, and as correct.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg2

from target_scout_postgres import logs
from target_scout_postgres.postgres import row_statements, statements
from target_scout_postgres.postgres.identifiers import Internal, internal_name
from target_scout_postgres.postgres.schema_snapshot import Table, UniqueIndex

if TYPE_CHECKING:
    from psycopg2.sql import Composable

    from target_scout_postgres.postgres.ddl import Ddl
    from target_scout_postgres.postgres.session import Session

TOO_LONG = "{}: a value of the key is too long for an index; merging is slower without one"
NOT_ALLOWED = (psycopg2.errors.UniqueViolation, psycopg2.errors.NotNullViolation)


class PrimaryKeys:
    """The primary keys of the dataset schema's tables."""

    def __init__(self, session: Session, ddl: Ddl) -> None:
        self._session = session
        self._ddl = ddl

    def add(self, table: Table, key: tuple[str, ...]) -> None:
        """Add the key of a table filled in this transaction; the last row of each key stays."""
        qualified = self._ddl.qualified(table.name)
        name = self._ddl.unused_name(Internal.KEY, table.name)
        add = statements.add_key(qualified, name, key)
        delete_duplicates = row_statements.delete_duplicates(qualified, key)
        doing = f"building the key of {table.name}"
        table.requested_key = key
        try:
            self._session.run_in_savepoint(add)
        except psycopg2.errors.UniqueViolation:
            self._session.execute(delete_duplicates, doing="removing duplicates")
            self._session.execute(add, doing=doing)
        except psycopg2.errors.ProgramLimitExceeded:  # a value is too long for an index
            self._session.execute(delete_duplicates, doing="removing duplicates")
            logs.warning(TOO_LONG.format(table.name))
            return
        except psycopg2.Error as error:
            raise self._session.to_error(error, doing) from None
        table.indexes.append(UniqueIndex(name, name, key))

    def is_current(self, table: Table, key: tuple[str, ...]) -> bool:
        """Return whether a table has its stream's key, or is known not to allow it."""
        if not table.exists or table.is_new or table.requested_key == key:
            return True
        return table.has_unique_index(key) if key else not table.primary_keys

    def change(self, table: Table, key: tuple[str, ...]) -> None:
        """Replace the key of an existing table by its stream's current one."""
        table.requested_key = key
        qualified = self._ddl.qualified(table.name)
        changes: list[Composable] = []
        for old in table.primary_keys:
            changes.append(statements.drop_constraint(qualified, old.constraint or ""))
            # PRIMARY KEY made the columns NOT NULL, and dropping it does not undo that.
            changes += [
                statements.drop_not_null(qualified, name)
                for name in old.columns
                if name not in key and name not in table.generated
            ]
        if not key:
            self._ddl.alter(table, changes)
            logs.info(f"{table.name}: dropped the key, as the stream no longer has one")
            self._forget_primary_key(table)
            return
        self._replace(table, key, changes)

    def _replace(self, table: Table, key: tuple[str, ...], changes: list[Composable]) -> None:
        qualified = self._ddl.qualified(table.name)
        name = self._ddl.unused_name(Internal.KEY, f"{table.name} {key}")
        too_long = psycopg2.errors.ProgramLimitExceeded
        try:
            add = statements.add_key(qualified, name, key)
            self._ddl.alter(table, [*changes, add], tolerated=(*NOT_ALLOWED, too_long))
        except too_long:
            logs.warning(TOO_LONG.format(table.name))
        except NOT_ALLOWED:
            logs.warning(
                f"{table.name}: the existing rows do not allow the stream's key; they stay, and "
                "merging is slower"
            )
            index = internal_name(Internal.INDEX, f"{table.name} {key}")
            self._ddl.alter(table, [*changes, statements.add_search_index(qualified, index, key)])
            self._forget_primary_key(table)
        else:
            self._forget_primary_key(table)
            table.indexes.append(UniqueIndex(name, name, key))

    def _forget_primary_key(self, table: Table) -> None:
        table.indexes = [index for index in table.indexes if index.constraint is None]
