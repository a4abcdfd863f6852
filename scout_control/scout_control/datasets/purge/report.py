"""What a purge removed, and what it could not remove."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session


@dataclass(kw_only=True)
class PurgeReport:
    """What was removed, and what could not be."""

    removed: Counter[str] = field(default_factory=Counter)
    not_removed: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def failed(self, what: str, why: str) -> None:
        """Record what could not be removed, once."""
        if (failure := {"what": what, "why": why}) not in self.not_removed:
            self.not_removed.append(failure)

    def delete(self, session: Session, kind: str, rows: Sequence[Any]) -> None:
        """Delete rows of the store and count them under ``kind``."""
        for row in rows:
            session.delete(row)
        if rows:
            self.removed[kind] += len(rows)
