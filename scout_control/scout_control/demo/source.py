"""What the demo must know of a source to show it: one module each, all alike."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scout_control.rules.naming import DatasetIdentity, OwnerKind

if TYPE_CHECKING:
    from scout_control.demo.sandbox import Sandbox, Size

Change = dict[str, object]
"""One change of the sandbox: the action of its control endpoint, and what it is told."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question that a person of a health programme would ask of the demo's data."""

    title: str
    columns: tuple[str, ...]
    query: str


class Source(abc.ABC):
    """A source that the demo can show."""

    name: str
    what: str
    """What the sandbox looks like for it."""
    blocks: tuple[str, ...]
    checked: tuple[str, ...]
    """Streams that are compared with the sandbox."""
    incremental: str
    """What a second run reads."""
    small_steps: Mapping[str, str]
    """Settings under which a run has a middle."""
    question: Question

    @abc.abstractmethod
    def size(self, size: Size) -> str:
        """Name a size: another size is another source, with its own data."""

    @abc.abstractmethod
    def config(self, sandbox: Sandbox) -> dict[str, str]:
        """Return the tap's settings as environment variables."""

    @abc.abstractmethod
    def secrets(self, sandbox: Sandbox) -> dict[str, str]:
        """Return the tap's login as environment variables."""

    @abc.abstractmethod
    def tap_file(self, sandbox: Sandbox) -> dict[str, str]:
        """Return the same as a configuration file."""

    @abc.abstractmethod
    def counts(self, sandbox: Sandbox) -> dict[str, int]:
        """Return how many records of the checked streams the API would show now."""

    @abc.abstractmethod
    def new_changes(self, server_url: str, schema: str, number: int) -> list[Change]:
        """Return changes as people would make them; others for every number."""

    @abc.abstractmethod
    def told(self, changes: list[Change]) -> str:
        """Say what was changed."""


def dataset(source: Source, size: Size) -> DatasetIdentity:
    """Return the dataset of a source in a size."""
    return DatasetIdentity(
        owner_kind=OwnerKind.PROJECT,
        owner_id="demo",
        project_id="demo",
        source_id=f"sandbox {source.size(size)}",
        source_type=source.name,
    )
