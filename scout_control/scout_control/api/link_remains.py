"""What is left of links: those in use, and those that were removed while they had data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from scout_control.rules import unlinked
from scout_control.rules.unlinked import drop_command
from scout_control.rules.wording import counted
from scout_control.store.models import Dataset, ProjectSource, Run

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

MAX_COMMANDS = 5


@dataclass(frozen=True, kw_only=True)
class Remains:
    """The links that fulfil a condition."""

    linked: list[ProjectSource]
    unlinked: list[ProjectSource]
    """Removed, with data that has not expired yet."""
    empty: list[ProjectSource]
    """Removed, without data: only their settings are left."""

    @property
    def in_use(self) -> list[ProjectSource]:
        """Return those whose project and source cannot be removed."""
        return sorted([*self.linked, *self.unlinked], key=lambda each: each.source.name)

    def delete_empty(self, session: Session) -> None:
        """Delete what is left of links without data."""
        for link in self.empty:
            delete_link(session, link.id)

    def said(self) -> str:
        """Return a sentence on what is linked, and one on what was unlinked."""
        linked = [each.source.name for each in self.linked]
        ended = [each.source.name for each in self.unlinked]
        sentences = []
        if linked:
            sentences.append(f"It has {counted(len(linked), 'linked source')}: {_listed(linked)}.")
        if ended:
            were, their = ("was", "its") if len(ended) == 1 else ("were", "their")
            sentences.append(f"{_listed(ended)} {were} unlinked, {their} data is still there.")
        return " ".join(sentences)

    def commands(self) -> str:
        """Return the commands that remove what is in use, with its data."""
        return join_commands(drop_command(e.project_id, e.source.name) for e in self.in_use)


def join_commands(commands: Iterable[str]) -> str:
    """Return the first of many commands, and how many there are."""
    known = list(commands)
    more = f"; and so on ({len(known)} in all)" if len(known) > MAX_COMMANDS else ""
    return "; ".join(known[:MAX_COMMANDS]) + more


def of(session: Session, condition: ColumnElement[bool]) -> Remains:
    """Return what is left of the links that fulfil a condition."""
    links = session.scalars(
        select(ProjectSource).where(condition).order_by(ProjectSource.project_id)
    ).all()
    ids = [each.id for each in links]
    datasets = session.scalars(select(Dataset).where(Dataset.project_source_id.in_(ids))).all()
    holding = {each.project_source_id for each in datasets if holds_data(each)}
    ended = [each for each in links if not each.is_active]
    return Remains(
        linked=[each for each in links if each.is_active],
        unlinked=[each for each in ended if each.id in holding],
        empty=[each for each in ended if each.id not in holding],
    )


def holds_data(dataset: Dataset) -> bool:
    """Return whether a dataset has data, or has begun to load or to drop some."""
    return unlinked.holds_data(dataset.status, dataset.last_sync_at, dataset.sync_error)


def delete_link(session: Session, link_id: uuid.UUID) -> None:
    """Delete a link whose datasets have no data, with them and the record of their runs."""
    datasets = select(Dataset.id).where(Dataset.project_source_id == link_id)
    session.execute(delete(Run).where(Run.dataset_id.in_(datasets)))
    session.execute(delete(Dataset).where(Dataset.project_source_id == link_id))
    session.execute(delete(ProjectSource).where(ProjectSource.id == link_id))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(sorted(names))
