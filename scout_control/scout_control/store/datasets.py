"""Queries and status changes of datasets."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import case, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from scout_control.rules import retention
from scout_control.rules.naming import DatasetIdentity, OwnerKind, StoredNames, opaque_schema
from scout_control.rules.statuses import DatasetStatus, dataset_predecessors
from scout_control.store import audit
from scout_control.store.models import Dataset, Installation, ProjectSource
from scout_control.store.owners import dataset_of, dataset_visible_to

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.orm import InstrumentedAttribute, Session

# Never waits: skips locked rows, which the next call merges.
MERGE_TOUCHES = text("""
    WITH unlocked AS (
        SELECT id, schema_name FROM scout_control.datasets
         WHERE schema_name IN (SELECT schema_name FROM scout_control.touches)
           FOR NO KEY UPDATE SKIP LOCKED
    ), deleted AS (
        DELETE FROM scout_control.touches AS touch
         WHERE touch.schema_name IN (SELECT schema_name FROM unlocked)
            OR touched_at < now() - interval '1 day'
        RETURNING touch.schema_name, touched_at
    )
    UPDATE scout_control.datasets AS dataset
       SET last_activity_at = greatest(last_activity_at, latest.touched_at)
      FROM (SELECT unlocked.id, max(deleted.touched_at) AS touched_at
              FROM unlocked JOIN deleted USING (schema_name) GROUP BY unlocked.id) AS latest
     WHERE dataset.id = latest.id
""")
REMOVAL_PENDING = "Its data is being removed."
REFRESHABLE = (DatasetStatus.PENDING, DatasetStatus.READY, DatasetStatus.ERROR)


def ensure(session: Session, link: ProjectSource, user_id: str | None, now: datetime) -> Dataset:
    """Return the dataset of an owner, created if missing; its name never changes afterwards."""
    identity = DatasetIdentity(
        owner_kind=OwnerKind.USER if user_id else OwnerKind.PROJECT,
        owner_id=user_id or link.project_id,
        project_id=link.project_id,
        source_id=str(link.source_id),
        source_type=link.source.source_type.removeprefix("tap-"),
    )
    is_opaque = session.scalar(select(Installation.has_opaque_names))
    created = session.scalar(
        insert(Dataset)
        .values(
            project_source_id=link.id,
            user_id=user_id,
            schema_name=opaque_schema() if is_opaque else identity.schema,
            owner=identity.owner,
            next_sync_at=now,
            last_activity_at=now,
        )
        .on_conflict_do_nothing()
        .returning(Dataset.id)
    )
    of_link = Dataset.project_source_id == link.id
    dataset = session.scalars(select(Dataset).where(of_link, dataset_of(user_id))).one()
    if created is not None:
        audit.record(session, "made", "dataset", dataset.id, **audit.of_dataset(dataset))
    return dataset


def names(dataset: Dataset) -> StoredNames:
    """Return the names that a dataset was created with."""
    return StoredNames(schema=dataset.schema_name, owner=dataset.owner)


def give_consent(dataset: Dataset, by: str, now: datetime) -> bool:
    """Record that a user lets the project use their credential; return whether that is new."""
    if dataset.user_id is None or dataset.agreed_at is not None:
        return False
    dataset.agreed_at, dataset.agreed_by = now, by
    dataset.next_sync_at = dataset.next_sync_at or now
    return True


def withdraw_consent(dataset: Dataset) -> None:
    """Revoke a user's consent, because the project no longer uses the source."""
    if dataset.user_id is not None:
        dataset.agreed_at = dataset.agreed_by = dataset.next_sync_at = None


def due(now: datetime) -> Select[tuple[uuid.UUID]]:
    """Return the statement that selects due datasets, round-robin over owners.

    Each owner's longest-due dataset comes in the first round.
    """
    return (
        select(Dataset.id)
        .join(Dataset.project_source)
        .where(
            Dataset.next_sync_at <= now,
            Dataset.status.in_(REFRESHABLE),
            ~Dataset.is_paused,
            ProjectSource.is_active,
        )
        .order_by(*_round_robin(Dataset.next_sync_at))
    )


def default_keep(session: Session) -> float:
    """Return for how many hours unused data is kept where its dataset does not say."""
    return session.scalar(select(Installation.keep_hours)) or retention.DEFAULT_HOURS


def idle(session: Session, now: datetime, default_keep_hours: float) -> Sequence[uuid.UUID]:
    """Return datasets that seem unused, round-robin over owners; recheck before dropping one."""
    # In hours, not as an interval: PostgreSQL has infinite intervals only since version 17.
    unused_hours = func.extract("epoch", now - Dataset.last_activity_at) / 3600
    return session.scalars(
        select(Dataset.id)
        .join(Dataset.project_source)
        .where(
            unused_hours >= func.coalesce(Dataset.keep_hours, default_keep_hours),
            Dataset.status.in_(dataset_predecessors(DatasetStatus.EXPIRED)),
        )
        .order_by(*_round_robin(Dataset.last_activity_at))
    ).all()


def expired_with_data(session: Session) -> Sequence[uuid.UUID]:
    """Return expired datasets whose data may still exist, round-robin, the oldest first."""
    return session.scalars(
        select(Dataset.id)
        .join(Dataset.project_source)
        .where(Dataset.status == DatasetStatus.EXPIRED, Dataset.sync_error.is_not(None))
        .order_by(*_round_robin(Dataset.updated_at))
    ).all()


def expire(session: Session, dataset_id: uuid.UUID) -> bool:
    """Mark a dataset as expired; return whether it was not yet.

    Its data may still exist until ``record_removal``; ``sync_error`` says so.
    """
    return move(
        session,
        dataset_id,
        DatasetStatus.EXPIRED,
        next_sync_at=None,
        last_sync_at=None,
        row_counts={},
        sync_error=REMOVAL_PENDING,
        failures=0,
    )


def unschedule(session: Session, condition: ColumnElement[bool], reason: str) -> None:
    """Unschedule datasets that can no longer be read, and say why.

    Not those that expired: they are not scheduled, and their ``sync_error`` is about their removal.
    """
    session.execute(
        update(Dataset)
        .where(condition, Dataset.status != DatasetStatus.EXPIRED)
        .values(next_sync_at=None, sync_error=reason)
    )


def record_removal(session: Session, dataset_id: uuid.UUID, error: str | None = None) -> bool:
    """Record that the data of an expired dataset was removed, or why not."""
    updated = session.scalar(
        update(Dataset)
        .where(Dataset.id == dataset_id, Dataset.status == DatasetStatus.EXPIRED)
        .values(sync_error=error, reader_login=None, updated_at=func.now())
        .returning(Dataset.id)
    )
    return updated is not None


def lock(session: Session, dataset_id: uuid.UUID) -> Dataset | None:
    """Return the current row of a dataset, locked until the transaction ends."""
    return session.scalar(
        select(Dataset)
        .where(Dataset.id == dataset_id)
        .with_for_update(of=Dataset)
        .execution_options(populate_existing=True)
    )


def locked_owners(session: Session, owners: Collection[str]) -> set[str]:
    """Return those comments of schemas that datasets of this store have, and lock these."""
    statement = select(Dataset.owner).where(Dataset.owner.in_(owners)).with_for_update()
    return set(session.scalars(statement))


def move(session: Session, dataset_id: uuid.UUID, target: DatasetStatus, **values: Any) -> bool:
    """Change the status of a dataset if that is allowed now; return whether it was."""
    moved = session.scalar(
        update(Dataset)
        .where(Dataset.id == dataset_id, Dataset.status.in_(dataset_predecessors(target)))
        .values(status=target, updated_at=func.now(), **values)
        .returning(Dataset.id)
    )
    return moved is not None


def touch(session: Session, dataset_id: uuid.UUID, now: datetime) -> None:
    """Record that a dataset is in use."""
    session.execute(
        update(Dataset)
        .where(Dataset.id == dataset_id, Dataset.last_activity_at < now)
        .values(last_activity_at=now)
    )


def collect_touches(session: Session) -> None:
    """Merge the reports of readers into their datasets."""
    session.execute(MERGE_TOUCHES)


def of_owner(session: Session, project_id: str | None, user_id: str | None) -> Sequence[Dataset]:
    """Return the datasets that an owner may see: the project's, and the user's own."""
    statement = select(Dataset).join(Dataset.project_source).order_by(Dataset.schema_name)
    if project_id is not None:
        statement = statement.where(ProjectSource.project_id == project_id)
    if user_id is not None:
        statement = statement.where(dataset_visible_to(user_id))
    return session.scalars(statement).all()


def _round_robin(column: InstrumentedAttribute[Any]) -> tuple[ColumnElement[Any], ...]:
    """Return an ordering of datasets, joined with links: each owner's k-th comes in round k."""
    owner = (Dataset.user_id, case((Dataset.user_id.is_(None), ProjectSource.project_id)))
    round_number = func.row_number().over(partition_by=owner, order_by=column)
    return (round_number, column.expression)
