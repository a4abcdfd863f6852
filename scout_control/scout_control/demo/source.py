"""The interface of the demo's sources: one subclass per source, each in its own module."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from scout_control.demo.sandbox import Sandbox, Size

    Query = Callable[[str], list[tuple[object, ...]]]

Change = dict[str, object]
"""One change in the sandbox: the action of its control endpoint, and the values of the action."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question that the staff of a health programme would ask of the data."""

    title: str
    columns: tuple[str, ...]
    query: str


@dataclass(frozen=True, kw_only=True)
class Login:
    """A credential of the sandbox: its kind, and its fields by name."""

    kind: str
    fields: Mapping[str, str]


class Source(abc.ABC):
    """A source that the demo can load."""

    name: str
    source_type: str
    label: str
    """The product that the sandbox imitates."""
    compared_streams: tuple[str, ...]
    """Streams whose row counts are compared with the sandbox."""
    incremental: str
    """What a second run reads, as a phrase."""
    example_query: str
    """Commands to suggest at the end."""
    question: Question

    @abc.abstractmethod
    def size(self, size: Size) -> str:
        """Return the name of a size; each size is loaded as a separate source."""

    @abc.abstractmethod
    def url(self, sandbox: Sandbox) -> str:
        """Return the address of the API."""

    @abc.abstractmethod
    def config(self, sandbox: Sandbox) -> dict[str, str | int]:
        """Return the tap's settings, other than the address."""

    @abc.abstractmethod
    def login(self, sandbox: Sandbox) -> Login:
        """Return the credential."""

    @abc.abstractmethod
    def counts(self, sandbox: Sandbox) -> dict[str, int]:
        """Return how many records of the compared streams the sandbox has now."""

    @abc.abstractmethod
    def new_changes(self, query: Query, number: int) -> list[Change]:
        """Return changes that users might make; different ones for each number."""

    @abc.abstractmethod
    def describe_changes(self, changes: list[Change]) -> str:
        """Return a sentence about the changes, without a full stop."""

    def tap_config(self, sandbox: Sandbox) -> dict[str, str | int]:
        """Return the complete settings of the tap, with the credential."""
        address = {"base_url": self.url(sandbox)}
        return {**address, **self.config(sandbox), **self.login(sandbox).fields}
