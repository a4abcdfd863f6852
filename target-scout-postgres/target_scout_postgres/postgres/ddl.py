"""Creates, changes and drops tables of the dataset schema.

A table that others read is changed in short, separate transactions, so that readers never queue
behind a statement that waits for a lock. Decides nothing, moves no rows.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING

import psycopg2

from target_scout_postgres import logs
from target_scout_postgres.errors import SchemaError
from target_scout_postgres.postgres import statements
from target_scout_postgres.postgres.identifiers import Internal, internal_name
from target_scout_postgres.postgres.rejected_rows import CANNOT_WIDEN
from target_scout_postgres.postgres.schema_snapshot import SchemaSnapshot, Table, UniqueIndex

if TYPE_CHECKING:
    from psycopg2.sql import Composable, Identifier

    from target_scout_postgres.encoding.column_types import Fit
    from target_scout_postgres.postgres.session import Session

RETRY_SECONDS = 0.1


class Ddl:
    """Changes tables, and keeps the snapshot in step."""

    def __init__(self, session: Session, snapshot: SchemaSnapshot) -> None:
        self._session = session
        self._snapshot = snapshot
        self._settings = session.settings
        self._additions: list[Composable] = []

    def qualified(self, name: str) -> Identifier:
        """Return the schema-qualified name of a table."""
        return statements.qualified(self._settings.default_target_schema, name)

    def add_column(self, table: Table, column: str, type_: str, comment: str | None) -> None:
        """Add a column with the next `apply`, or with the table if that is still to be created."""
        if column in table.columns:
            return
        # Collected, because each ALTER TABLE would wait for readers again.
        if table.exists:
            self._check_evolution(table, f"a new column {column}")
            name = self.qualified(table.name)
            self._additions.append(statements.add_column(name, column, type_))
            if comment is not None:
                self._additions.append(statements.comment_column(name, column, comment))
            logs.info(f"{table.name}: adding the column {column} of type {type_}")
        table.columns[column] = type_
        table.last_attribute += 1
        if comment is not None:
            table.comments[column] = comment

    def fill_column(self, table: Table, column: str, source: str, expression: str) -> None:
        """Fill a new column from another one with the next `apply`."""
        if table.exists:
            name = self.qualified(table.name)
            self._additions.append(statements.fill_column(name, column, expression, source))

    def apply(self, table: Table) -> None:
        """Apply the additions since the last call, in one transaction."""
        if self._additions:
            self.alter(table, self._additions)
            self._additions = []

    def widen(self, table: Table, column: str, fit: Fit) -> bool:
        """Widen a column in place; return whether that was possible."""
        # A table that does not exist yet is created with the wider type.
        if table.exists:
            self._check_evolution(table, f"a wider column {column}")
            change = statements.widen_column(
                self.qualified(table.name), column, fit.type, fit.cast or "{column}"
            )
            try:
                self.alter(table, [change], tolerated=CANNOT_WIDEN)
            except CANNOT_WIDEN:
                return False
            old_type = table.columns[column]
            logs.info(f"{table.name}: widened the column {column} from {old_type} to {fit.type}")
        table.columns[column] = fit.type
        return True

    def retype(self, table: Table, column: str, type_: str, expression: str) -> None:
        """Change the type of an internal table's column."""
        if table.exists:
            name = self.qualified(table.name)
            self.alter(table, [statements.widen_column(name, column, type_, expression)])
        table.columns[column] = type_

    def _check_evolution(self, table: Table, what: str) -> None:
        if self._settings.schema_evolution == "fail":
            raise SchemaError(
                f"The stream of the table {table.name} requires {what}, but the setting "
                "schema_evolution is fail. Review the change, then set it to evolve."
            )

    def alter(
        self,
        table: Table,
        changes: Sequence[Composable],
        tolerated: tuple[type[psycopg2.Error], ...] = (),
    ) -> None:
        """Change a table in a short transaction; retry until `lock_wait_seconds` have passed."""
        doing = f"changing the table {table.name}"
        deadline = time.monotonic() + self._settings.lock_wait_seconds
        while True:
            try:
                with self._session.ddl_transaction():
                    for change in changes:
                        self._session.run_in_savepoint(change)
            except tolerated:
                raise
            except psycopg2.errors.LockNotAvailable as error:
                if time.monotonic() > deadline:
                    raise self._session.to_error(error, doing, table.name) from None
            except psycopg2.Error as error:
                raise self._session.to_error(error, doing) from None
            else:
                return
            time.sleep(RETRY_SECONDS)

    def create(self, table: Table) -> None:
        """Create a table in the open transaction; its key is added when it has its rows."""
        self._session.begin()
        name = self.qualified(table.name)
        doing = f"creating the table {table.name}"
        columns = list(table.columns.items())
        self._session.execute(statements.create_table(name, columns), doing=doing)
        for column, text in table.comments.items():
            self._session.execute(statements.comment_column(name, column, text), doing=doing)
        self.grant(table.name)
        table.exists = table.is_new = table.was_empty = True
        table.last_attribute = len(columns)

    def grant(self, name: str) -> None:
        """Let the reader role read a table, if there is such a role."""
        if role := self._settings.reader_role:
            grant = statements.grant_table(self.qualified(name), role)
            self._session.execute(grant, doing=f"letting {role} read")

    def promote_stage(self, stage: Table, table: Table) -> None:
        """Rename a stage to the table itself, which does not exist yet, in the open transaction."""
        name = self.qualified(table.name)
        doing = f"creating the table {table.name}"
        rename = statements.rename_table(self.qualified(stage.name), table.name)
        self._session.execute(rename, doing=doing, table=stage.name)
        for key in stage.primary_keys:
            new_name = self.unused_name(Internal.KEY, table.name)
            rename = statements.rename_constraint(name, key.constraint or "", new_name)
            self._session.execute(rename, doing=doing)
            table.indexes.append(UniqueIndex(new_name, new_name, key.columns))
        table.columns, table.comments = stage.columns, stage.comments
        table.last_attribute, table.was_empty = stage.last_attribute, stage.was_empty
        table.exists = True
        self._snapshot.tables.pop(stage.name, None)

    def drop(self, table: Table) -> None:
        """Drop an internal table, in the open transaction."""
        self._session.begin()
        if table.exists:
            drop = statements.drop_table(self.qualified(table.name))
            doing = "dropping an internal table"
            self._session.execute(drop, doing=doing, table=table.name)
        self._snapshot.tables.pop(table.name, None)

    def unused_name(self, kind: Internal, table: str) -> str:
        """Return an internal name that no relation had when the run began.

        A table that someone has renamed still has its key under the old name.
        """
        names = (internal_name(kind, f"{table}{number or ''}") for number in count())
        return next(name for name in names if name not in self._snapshot.other_relations)
