"""Datasets: made, due, idle, touched, and what became of them."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import case, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from scout_control.rules.naming import Dataset as Names
from scout_control.rules.naming import Kept, OwnerKind, opaque_schema
from scout_control.rules.statuses import DatasetStatus, dataset_before
from scout_control.store import audit
from scout_control.store.models import Dataset, Installation, ProjectSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.orm import InstrumentedAttribute, Session

# Never waits: what is locked is left to the next time.
COLLECT = text("""
    WITH free AS (
        SELECT id, schema_name FROM scout_control.datasets
         WHERE schema_name IN (SELECT schema_name FROM scout_control.touches)
           FOR NO KEY UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM scout_control.touches AS touch
         WHERE touch.schema_name IN (SELECT schema_name FROM free)
            OR touched_at < now() - interval '1 day'
        RETURNING touch.schema_name, touched_at
    )
    UPDATE scout_control.datasets AS dataset
       SET last_activity_at = greatest(last_activity_at, found.touched_at)
      FROM (SELECT free.id, max(gone.touched_at) AS touched_at
              FROM free JOIN gone USING (schema_name) GROUP BY free.id) AS found
     WHERE dataset.id = found.id
""")
UNREMOVED = "Its data is being removed."
REFRESHED = (DatasetStatus.PENDING, DatasetStatus.READY, DatasetStatus.ERROR)


def ensure(session: Session, link: ProjectSource, user_id: str | None, now: datetime) -> Dataset:
    """Return the dataset of an owner, made when missing; its name never changes afterwards."""
    names = Names(
        owner_kind=OwnerKind.USER if user_id else OwnerKind.PROJECT,
        owner_id=user_id or link.project_id,
        project_id=link.project_id,
        source_id=str(link.source_id),
        source_type=link.source.source_type.removeprefix("tap-"),
    )
    is_opaque = session.scalar(select(Installation.has_opaque_names))
    made = session.scalar(
        insert(Dataset)
        .values(
            project_source_id=link.id,
            user_id=user_id,
            schema_name=opaque_schema() if is_opaque else names.schema,
            owner=names.owner,
            next_sync_at=now,
            last_activity_at=now,
        )
        .on_conflict_do_nothing()
        .returning(Dataset.id)
    )
    owner = Dataset.user_id == user_id if user_id else Dataset.user_id.is_(None)
    of_link = Dataset.project_source_id == link.id
    found = session.scalars(select(Dataset).where(of_link, owner)).one()
    if made is not None:
        audit.record(session, "made", "dataset", found.id, **audit.of_dataset(found))
    return found


def names(dataset: Dataset) -> Kept:
    """Return what a dataset is called in the database: as it was named once."""
    return Kept(schema=dataset.schema_name, owner=dataset.owner)


def agree(dataset: Dataset, by: str, now: datetime) -> bool:
    """Remember that a user lets the project use their login; return whether that is new."""
    if dataset.user_id is None or dataset.agreed_at is not None:
        return False
    dataset.agreed_at, dataset.agreed_by = now, by
    dataset.next_sync_at = dataset.next_sync_at or now
    return True


def withdraw(dataset: Dataset) -> None:
    """Forget that a user agreed: the project no longer uses the source, and has to ask again."""
    if dataset.user_id is not None:
        dataset.agreed_at = dataset.agreed_by = dataset.next_sync_at = None


def due(now: datetime) -> Select[tuple[uuid.UUID]]:
    """Return the statement that finds datasets that should run now, the owners in turn.

    The dataset of an owner that is due the longest is their first one; and so are those of others.
    """
    return (
        select(Dataset.id)
        .join(Dataset.project_source)
        .where(
            Dataset.next_sync_at <= now,
            Dataset.status.in_(REFRESHED),
            ~Dataset.is_paused,
            ProjectSource.is_active,
        )
        .order_by(*_in_turn(Dataset.next_sync_at))
    )


def idle(session: Session, untouched_since: datetime) -> Sequence[uuid.UUID]:
    """Return datasets that seem unused, the owners in turn; whoever drops one looks again."""
    return session.scalars(
        select(Dataset.id)
        .join(Dataset.project_source)
        .where(
            Dataset.last_activity_at <= untouched_since,
            Dataset.status.in_(dataset_before(DatasetStatus.EXPIRED)),
        )
        .order_by(*_in_turn(Dataset.last_activity_at))
    ).all()


def unremoved(session: Session) -> Sequence[uuid.UUID]:
    """Return expired datasets whose data may still be there, those first that waited longest."""
    return session.scalars(
        select(Dataset.id)
        .join(Dataset.project_source)
        .where(Dataset.status == DatasetStatus.EXPIRED, Dataset.sync_error.is_not(None))
        .order_by(*_in_turn(Dataset.updated_at))
    ).all()


def expire(session: Session, dataset_id: uuid.UUID) -> bool:
    """Let a dataset hold no data from now on; tell whether it did before.

    Until ``removed`` says otherwise its data may still be there, and ``sync_error`` says so.
    """
    return move(
        session,
        dataset_id,
        DatasetStatus.EXPIRED,
        next_sync_at=None,
        last_sync_at=None,
        row_counts={},
        sync_error=UNREMOVED,
        failures=0,
    )


def removed(session: Session, dataset_id: uuid.UUID, trouble: str | None = None) -> bool:
    """Remember that the data of an expired dataset was removed, or what was in the way."""
    done = session.scalar(
        update(Dataset)
        .where(Dataset.id == dataset_id, Dataset.status == DatasetStatus.EXPIRED)
        .values(sync_error=trouble, updated_at=func.now())
        .returning(Dataset.id)
    )
    return done is not None


def lock(session: Session, dataset_id: uuid.UUID) -> Dataset | None:
    """Return a dataset as it is now, and let nobody change it until the transaction ends."""
    return session.scalar(
        select(Dataset)
        .where(Dataset.id == dataset_id)
        .with_for_update(of=Dataset)
        .execution_options(populate_existing=True)
    )


def move(session: Session, dataset_id: uuid.UUID, then: DatasetStatus, **values: Any) -> bool:
    """Move a dataset, unless it has moved meanwhile; tell whether it did."""
    moved = session.scalar(
        update(Dataset)
        .where(Dataset.id == dataset_id, Dataset.status.in_(dataset_before(then)))
        .values(status=then, updated_at=func.now(), **values)
        .returning(Dataset.id)
    )
    return moved is not None


def touch(session: Session, dataset_id: uuid.UUID, now: datetime) -> None:
    """Remember that a dataset is in use."""
    session.execute(
        update(Dataset)
        .where(Dataset.id == dataset_id, Dataset.last_activity_at < now)
        .values(last_activity_at=now)
    )


def collect_touches(session: Session) -> None:
    """Remember which datasets readers said they use."""
    session.execute(COLLECT)


def of_owner(session: Session, project_id: str | None, user_id: str | None) -> Sequence[Dataset]:
    """Return what an owner sees: the project's datasets, and the user's own."""
    statement = select(Dataset).join(Dataset.project_source).order_by(Dataset.schema_name)
    if project_id is not None:
        statement = statement.where(ProjectSource.project_id == project_id)
    if user_id is not None:
        statement = statement.where(Dataset.user_id.is_(None) | (Dataset.user_id == user_id))
    return session.scalars(statement).all()


def _in_turn(moment: InstrumentedAttribute[Any]) -> tuple[ColumnElement[Any], ...]:
    """Order datasets, joined with their link, so that each owner's k-th comes in round k."""
    owner = (Dataset.user_id, case((Dataset.user_id.is_(None), ProjectSource.project_id)))
    turn = func.row_number().over(partition_by=owner, order_by=moment)
    return (turn, moment.expression)
