"""What is generated: tables and columns as plain values, and what they are generated from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

Path = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question of a form, as its application describes it."""

    path: Path
    type: str | None = None
    tag: str | None = None
    label: str | None = None
    is_group: bool = False
    repeat: Path | None = None
    options: tuple[tuple[str, str], ...] = ()


@dataclass(kw_only=True)
class Seen:
    """What the data shows at one path of a form, or of one property of a case."""

    is_many: bool = False
    is_object: bool = False
    is_scalar: bool = False
    is_case: bool = False
    widest: int = 0

    def take(self, other: Seen) -> None:
        """Add what was seen elsewhere."""
        self.is_many |= other.is_many
        self.is_object |= other.is_object
        self.is_scalar |= other.is_scalar
        self.is_case |= other.is_case
        self.widest = max(self.widest, other.widest)


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column: where its value stands, how it is read, what it is called."""

    key: str
    """What it is of, unchanging: a path, a property, an index."""
    name: str
    path: Path
    answer: str
    comment: str
    widest: int = 28
    parts: tuple[str, ...] = ()
    """Names of the columns of a place: latitude, longitude, altitude, accuracy."""
    is_tree: bool = False
    """The value is sometimes an object that holds the text beside attributes."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """One generated table."""

    name: str
    kind: str
    """``case``, ``form`` or ``visit``."""
    scope: str
    """The case type or the xmlns."""
    repeats: tuple[Path, ...] = ()
    """The repeat groups around its rows, the outermost first; each from the root of the form."""
    part: int = 0
    columns: tuple[Column, ...] = ()
    comment: str = ""
    indices: tuple[Column, ...] = ()

    @property
    def key(self) -> str:
        """Return what the table is of, unchanging."""
        return json.dumps([self.kind, self.scope, self.repeats, self.part], ensure_ascii=False)

    @property
    def main_key(self) -> str:
        """Return the key of the table that this one is a repeat group or a further part of."""
        return json.dumps([self.kind, self.scope, [], 0], ensure_ascii=False)

    @property
    def is_lesser(self) -> bool:
        """Tell whether it is a repeat group or a further part."""
        return bool(self.repeats or self.part)

    @property
    def positions(self) -> tuple[str, ...]:
        """Return the columns that number the entries of repeat groups, the outermost first."""
        return tuple(f"position_{number + 1}" for number in range(len(self.repeats)))


@dataclass(frozen=True, kw_only=True)
class Model:
    """A table and the SQL that fills it."""

    table: Table
    sql: str = field(repr=False)
    keys: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """Return what changes when rows that were built before would be built differently."""
        return hashlib.sha256(self.sql.encode()).hexdigest()[:16]

    def definition(self) -> dict[str, Any]:
        """Return what is remembered of the model."""
        return asdict(self.table)
