"""A stream of the model: its columns, its live rows, and the staged version.

Knows records, but no messages.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from benchmarks.target_replay import values
from benchmarks.target_replay.tables import Columns, Row, Rows

DELETED_AT = "_sdc_deleted_at"
WHOLE = "_scout_overflow"  # holds the records of a stream without properties
GREATEST = 2**63


class RefusedError(Exception):
    """The run must end with exit code 65."""


class Schema(NamedTuple):
    """The contents of a SCHEMA message."""

    types: dict[str, str]
    required: frozenset[str]
    nullable: frozenset[str]
    key: tuple[str, ...]


@dataclass
class Stream:
    """A stream: its table, and the version being staged."""

    name: str
    columns: Columns = field(default_factory=Columns)
    live: Rows = field(default_factory=Rows)
    exists: bool = False  # its table must be there
    may_exist: bool = False  # a run that was refused may have made it
    active: int | None = None
    seen: set[int] = field(default_factory=set)
    stage: Rows | None = None
    loading: int | None = None  # the version of the stage
    is_filled: bool = False  # its records have begun it, not an ACTIVATE_VERSION
    # of one run
    schema: Schema | None = None
    announced: int | None = None
    is_begun: bool = False
    is_staging: bool = False  # records without a version go to the stage
    pending: int | None = None  # the epoch whose STATE activates
    last_epoch: int = 0
    without_version: int = 0
    wide: set[str] = field(default_factory=set)

    def begin_run(self) -> None:
        self.schema, self.announced, self.pending = None, None, None
        self.is_begun = self.is_staging = False
        self.last_epoch = self.without_version = 0

    def parts(self) -> list[Rows]:
        return [self.live, *([self.stage] if self.stage else [])]

    def follow(self, schema: Schema) -> None:
        self.schema = schema
        self.wide = {name for name in self.wide if schema.types.get(name) == "bigint"}
        self.lay_out()

    def lay_out(self) -> None:
        for name in self.schema.types:
            self.column(name)
        if not self.schema.types:
            self.columns.types[WHOLE] = "jsonb"
        for part in self.parts():
            part.use_key(self.key_columns)

    def column(self, name: str) -> str:
        kind = "numeric" if name in self.wide else self.schema.types[name]
        is_key = name in self.schema.key
        column, was = self.columns.column_for(name, kind, is_key=is_key)
        if was is not None:
            for part in self.parts():
                part.widen(column, was, self.columns.types[column])
        return column

    @property
    def key_columns(self) -> tuple[str, ...]:
        return tuple(self.column(name) for name in self.schema.key)

    def row(self, record: dict[str, Any]) -> tuple[Row, set[str]]:
        """Return the row of a record, and the columns it fills, also with null."""
        schema = self.schema
        if record.get(DELETED_AT) is not None and DELETED_AT not in schema.types and schema.types:
            types = schema.types | {DELETED_AT: "timestamptz"}
            self.follow(schema._replace(types=types, nullable=schema.nullable | {DELETED_AT}))
            schema = self.schema
        for name in schema.required:
            if record.get(name) is None and (name not in record or name not in schema.nullable):
                raise RefusedError(f"the required property {name} is missing or null")
        for name, kind in schema.types.items():
            if kind == "bigint" and name not in self.wide and _is_wide(record.get(name)):
                self.wide.add(name)
                self.lay_out()
        row: Row = {}
        filled: set[str] = set()
        for name, kind in schema.types.items():
            column = self.column(name)
            filled.update(self.columns.of[name])
            if record.get(name) is not None:
                try:
                    row[column] = values.stored(record[name], kind, self.columns.types[column])
                except values.UnfitError as error:
                    raise RefusedError(f"the property {name} {error}") from None
        if not schema.types:
            row[WHOLE] = values.canonical(record)
        return row, filled | {WHOLE}

    def put(self, rows: Rows, record: dict[str, Any], epoch: int) -> None:
        row, filled = self.row(record)
        if self.schema.key and DELETED_AT in row:
            rows.remove(row)
        else:
            rows.put(row, filled, epoch)

    def is_older(self, version: int) -> bool:
        """Return whether a version is older than the one that is live or being loaded."""
        if self.active is not None and version < self.active and version in self.seen:
            return True
        is_live = version == self.active and self.stage is None
        return self.is_begun and self.stage is not None and version < self.loading and not is_live

    def begin_version(self, version: int) -> None:
        self.is_begun = self.is_staging = True
        if self.loading == version and self.stage is not None:
            return
        if self.loading is not None:
            self.seen.add(self.loading)
        self.loading, self.stage, self.is_filled = version, Rows(), False
        self.stage.use_key(self.key_columns)
        if self.announced != version:
            self.announced = None

    def activate(self) -> None:
        """Replace the live rows by the staged ones; columns filled only by others stay."""
        stage = self.stage
        filled = {c for name in self.schema.types for c in self.columns.of[name]}
        if stage.key:
            old = {self.live.key_of(row): row for row in self.live.all.values()}
            for row in stage.all.values():
                before = old.get(stage.key_of(row), {})
                kept = {name: value for name, value in before.items() if name not in filled}
                row.update({name: value for name, value in kept.items() if name not in row})
        if self.active is not None and self.active != self.loading:
            self.seen.add(self.active)
        self.live, self.exists = stage, True
        self.live.epochs.clear()
        self.active, self.stage, self.loading = self.loading, None, None
        self.announced = self.pending = None
        self.is_staging = self.is_filled = False


def _is_wide(value: Any) -> bool:
    is_number = isinstance(value, values.Decimal)
    return is_number and not -GREATEST <= value < GREATEST
