"""Use of a dataset: whether it holds data, and the record that someone reads it."""

from __future__ import annotations

from datetime import UTC, datetime
from shlex import quote
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from scout_control.errors import ConflictError, SettingsError
from scout_control.rules.statuses import DatasetStatus
from scout_control.store import audit, datasets, lookups
from scout_control.store.models import Dataset, ProjectSource
from scout_control.store.owners import dataset_visible_to

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from scout_control.installation.installation import Installation


def record(session: Session, action: str, dataset: Dataset, **details: Any) -> None:
    """Record in the audit trail that a dataset is about to be read."""
    audit.record(session, action, "dataset", dataset.id, **audit.of_dataset(dataset), **details)


def touch(installation: Installation, name: str) -> Dataset:
    """Record that a dataset is in use.

    Raises:
        NotFoundError: No such dataset exists.
        ConflictError: Its data has expired.
    """
    with installation.store.begin() as session:
        dataset = lookups.dataset(session, name)
        if dataset.status == DatasetStatus.EXPIRED:
            raise _no_data_error(dataset)
        datasets.touch(session, dataset.id, datetime.now(UTC))
    return dataset


def require_data(dataset: Dataset) -> None:
    """Raise unless a dataset was loaded and has not expired.

    Raises:
        ConflictError: It holds no data.
    """
    if dataset.last_sync_at is None or dataset.status == DatasetStatus.EXPIRED:
        raise _no_data_error(dataset)


def lock(session: Session, name: str) -> Dataset:
    """Return a dataset, locked until the transaction ends.

    Raises:
        NotFoundError: No such dataset exists.
    """
    identity = lookups.dataset(session, name).id
    dataset = datasets.lock(session, identity)
    if dataset is None:  # removed since
        return lookups.dataset(session, name)
    return dataset


def no_role_error(dataset: Dataset) -> SettingsError:
    """Return the error for a dataset that was never loaded, so that no role reads it."""
    path = lookups.path(dataset)
    return SettingsError(f"{path} has no reader role.", f"Load it: scout run {quote(path)}")


def _no_data_error(dataset: Dataset) -> ConflictError:
    path = lookups.path(dataset)
    return ConflictError(
        f"{path} holds no data now (status: {dataset.status}).", f"Load it: scout run {quote(path)}"
    )


def search_path(installation: Installation, project_id: str, user_id: str | None) -> str:
    """Return the search path of an owner: the project's schema, then its dataset schemas.

    Raises:
        NotFoundError: No such project exists.
    """
    with installation.store.begin() as session:
        project = lookups.project(session, project_id)
        dataset_schemas = session.scalars(
            select(Dataset.schema_name)
            .join(Dataset.project_source)
            .where(
                ProjectSource.project_id == project.id,
                dataset_visible_to(user_id),
                Dataset.status.in_((DatasetStatus.READY, DatasetStatus.SYNCING)),
                Dataset.last_sync_at.is_not(None),
            )
            .order_by(Dataset.created_at, Dataset.schema_name)
        ).all()
    schemas = dict.fromkeys([project.db_schema, *dataset_schemas])
    return ", ".join('"' + schema.replace('"', '""') + '"' for schema in schemas)
