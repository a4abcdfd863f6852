"""What a desired and an actual state consist of: items with comparable fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scout_control.rules.lost_accounts import Account


class Kind(StrEnum):
    """The kinds of items, in the order in which they are made."""

    CONNECTION = "connection"
    SOURCE = "source"
    PROJECT = "project"
    LINK = "link"
    DATASET = "dataset"
    CREDENTIAL = "credential"


@dataclass(frozen=True)
class Key:
    """Names an item: kind, and name or PROJECT/SOURCE."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def project(self) -> str:
        """The project of a link, dataset or credential."""
        return self.name.partition("/")[0]

    @property
    def source(self) -> str:
        """The source of a link, dataset or credential."""
        return self.name.partition("/")[2]

    @classmethod
    def of(cls, kind: Kind, project: str, source: str) -> Key:
        """Return the key of what a project and a source have together."""
        return cls(kind, f"{project}/{source}")


@dataclass(frozen=True, kw_only=True)
class Item:
    """One item, as files want it or as it is."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    """Public values. A field that a desired item lacks is not managed."""
    secrets: Mapping[str, str] | None = field(default_factory=dict, repr=False)
    """Decrypted values. Empty in a desired item: not managed; None in an actual one: no configured
    key decrypts them."""
    address: Mapping[str, str] = field(default_factory=dict)
    """Where the secrets are sent; they are bound to it."""
    accounts: tuple[Account, ...] = ()
    """The accounts of an actual source that are connected."""
    data: str = ""
    """The data that goes with an actual item when it is removed, for people."""
    busy_with: str | None = None
    """The run in progress that loads the data of an actual item."""
    is_kept: bool = False
    """Whether an actual item is never removed."""
    is_active: bool = True
    """False for a link that was ended, and whose data expires."""
    is_rejected: bool = False
    """Whether the source rejected an actual credential when it was used last."""


State = dict[Key, Item]
Catalog = Mapping[str, Mapping[str, Any]]
"""The discovered streams of a source, each with its key and schema."""


@dataclass(frozen=True, kw_only=True)
class Actual:
    """What there is, and what else is needed to judge files."""

    items: State = field(default_factory=dict)
    projects_with_data: frozenset[str] = frozenset()
    aliases: Mapping[str, str] = field(default_factory=dict)
    """The paths of datasets by their aliases."""
    dataset_schemas: frozenset[str] = frozenset()
    """The schemas of datasets, their aliases included."""
    omitted: str = ""
    """What belongs to users, who connect and consent themselves; for people."""
