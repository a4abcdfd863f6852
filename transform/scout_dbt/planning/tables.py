"""The data types of planning: questions, profiles, columns, tables and models."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Path = tuple[str, ...]
"""The steps from the root of a form's data to a value."""


class RecordKind(StrEnum):
    """The kind of record that the rows of a generated table come from."""

    CASE = "case"
    FORM = "form"
    VISIT = "visit"


class ValueType(StrEnum):
    """The type that the answers in a column are read as."""

    TEXT = "text"
    JSON = "json"
    INTEGER = "integer"
    NUMBER = "number"
    DATE = "date"
    TIMESTAMP = "timestamp"
    TIME = "time"
    CHOICES = "choices"
    GPS = "gps"


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question of a form, as its application describes it."""

    path: Path
    type: str | None = None
    tag: str | None = None
    label: str | None = None
    translations: Any = None
    """The label by language."""
    is_group: bool = False
    repeat: Path | None = None
    options: tuple[tuple[str, str | None], ...] = ()
    """Each value with its label."""


@dataclass(kw_only=True)
class PathProfile:
    """The kinds of values found at one path of a form, or in one property of a case."""

    is_list: bool = False
    is_object: bool = False
    is_scalar: bool = False
    is_case_block: bool = False
    max_bytes: int = 0

    def merge(self, other: PathProfile) -> None:
        """Add another profile of the same path."""
        self.is_list |= other.is_list
        self.is_object |= other.is_object
        self.is_scalar |= other.is_scalar
        self.is_case_block |= other.is_case_block
        self.max_bytes = max(self.max_bytes, other.max_bytes)


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column: the path of its value, the conversion, and the name."""

    key: str
    """Identifies the column across builds: a path, a property or an index."""
    name: str
    path: Path
    value_type: ValueType
    comment: str
    max_bytes: int = 28
    gps_columns: tuple[str, ...] = ()
    """Names of the columns for latitude, longitude, altitude and accuracy."""
    is_element: bool = False
    """Whether the value may be an XML element: an object with attributes and ``#text``."""

    def definition(self) -> dict[str, Any]:
        """Return the column as ``_scout_models`` stores it."""
        return {
            "key": self.key,
            "name": self.name,
            "path": self.path,
            "answer": self.value_type,
            "comment": self.comment,
            "widest": self.max_bytes,
            "parts": self.gps_columns,
            "is_tree": self.is_element,
        }


@dataclass(frozen=True, kw_only=True)
class Table:
    """One generated table."""

    name: str
    record_kind: RecordKind
    scope: str
    """The case type, or the xmlns of the form."""
    repeats: tuple[Path, ...] = ()
    """The repeat groups around its rows, outermost first; each path starts at the form's root."""
    part: int = 0
    """Its number among the tables that a very wide table was split into."""
    columns: tuple[Column, ...] = ()
    comment: str = ""
    title: str = ""
    """The name of the form or case type, for people."""
    indices: tuple[Column, ...] = ()

    @property
    def key(self) -> str:
        """Return the key that identifies the table across builds, whatever its name."""
        parts = [self.record_kind, self.scope, self.repeats, self.part]
        return json.dumps(parts, ensure_ascii=False)

    @property
    def main_table_key(self) -> str:
        """Return the key of the table with one row per record that this one belongs to."""
        return json.dumps([self.record_kind, self.scope, [], 0], ensure_ascii=False)

    @property
    def is_secondary(self) -> bool:
        """Return whether it is a repeat group or a further part of another table."""
        return bool(self.repeats or self.part)

    @property
    def position_columns(self) -> tuple[str, ...]:
        """Return the columns that number the entries of its repeat groups, outermost first."""
        return tuple(f"position_{number + 1}" for number in range(len(self.repeats)))

    def definition(self) -> dict[str, Any]:
        """Return the table as ``_scout_models`` stores it."""
        return {
            "name": self.name,
            "kind": self.record_kind,
            "scope": self.scope,
            "repeats": self.repeats,
            "part": self.part,
            "columns": [column.definition() for column in self.columns],
            "comment": self.comment,
            "indices": [index.definition() for index in self.indices],
        }


@dataclass(frozen=True, kw_only=True)
class Model:
    """A table and the SQL that fills it."""

    table: Table
    sql: str = field(repr=False)
    keys: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """Return a digest that changes when existing rows would be built differently."""
        return hashlib.sha256(self.sql.encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Columns of a table that together refer to a row of another one."""

    table: str
    columns: tuple[str, ...]
    """The last one is the id, those before it the domain or opportunity in which it is unique."""
    to_table: str
    to_columns: tuple[str, ...]

    @property
    def column(self) -> str:
        """Return the column with the id."""
        return self.columns[-1]

    @property
    def target(self) -> str:
        """Return the ``table.column`` that the id refers to."""
        return f"{self.to_table}.{self.to_columns[-1]}"
