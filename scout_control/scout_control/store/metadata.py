"""Discovered metadata of a source, per owner; kept when the data expires."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from scout_control.rules import singer_catalog
from scout_control.store.models import SourceMetadata
from scout_control.store.owners import belongs_to

if TYPE_CHECKING:
    import uuid

    from sqlalchemy.orm import Session

    from scout_control.store.models import Dataset


def find(session: Session, dataset: Dataset) -> SourceMetadata | None:
    """Return the metadata of a dataset's source for its owner."""
    link = dataset.project_source
    owner = belongs_to(SourceMetadata, link.project_id, dataset.user_id)
    return session.scalar(
        select(SourceMetadata).where(SourceMetadata.source_id == link.source_id, owner)
    )


def save(session: Session, dataset: Dataset, document: dict[str, Any], now: datetime) -> None:
    """Store discovered metadata; replaces entries of the same name."""
    metadata = find(session, dataset)
    if metadata is None:
        link = dataset.project_source
        metadata = SourceMetadata(
            source_id=link.source_id,
            user_id=dataset.user_id,
            project_id=None if dataset.user_id is not None else link.project_id,
        )
        session.add(metadata)
    metadata.document = {**(metadata.document or {}), **document}
    metadata.discovered_at = now


def streams(session: Session, dataset: Dataset) -> frozenset[str]:
    """Return the streams that discovery found for a dataset; empty before the first discovery."""
    metadata = find(session, dataset)
    return singer_catalog.ids((metadata.document if metadata else {}).get("streams"))


def streams_of_source(session: Session, source_id: uuid.UUID) -> frozenset[str]:
    """Return the streams that discovery found at a source for any owner."""
    documents = session.scalars(
        select(SourceMetadata.document).where(SourceMetadata.source_id == source_id)
    )
    return frozenset().union(
        *(singer_catalog.ids(each.get("streams")) for each in documents if each)
    )
