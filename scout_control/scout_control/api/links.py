"""Links: which projects use which sources, with whose credential, how often, and for which data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, exists, select, true

from scout_control.api import link_remains, views
from scout_control.api.link_changes import DEFAULTS, ColumnPaths, LinkChange
from scout_control.credentials.link_settings import check_link
from scout_control.credentials.required_settings import link_error
from scout_control.datasets import dataset_drop, unseen_paths
from scout_control.errors import ConflictError
from scout_control.installation import secret_context
from scout_control.rules.statuses import DatasetStatus
from scout_control.store import audit, lookups, metadata, run_cancellation, runs
from scout_control.store.datasets import default_keep, withdraw_consent
from scout_control.store.models import Dataset, ProjectSource, Run

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from scout_control.errors import SettingsError
    from scout_control.installation.installation import Installation
    from scout_control.meltano.project import SourceType


MAX_READ = 3
"""Of how many datasets of a link rows are read: they are of one source."""


@dataclass(frozen=True)
class Links:
    """The use of sources by projects."""

    _installation: Installation

    def list(
        self, project: str | None = None, *, source: str | None = None
    ) -> Sequence[views.Link]:
        """Return all links, or those of a project or a source.

        Raises:
            NotFoundError: The project or the source does not exist.
        """
        return self._found(project, source).linked

    def unlinked(
        self, project: str | None = None, *, source: str | None = None
    ) -> Sequence[views.Link]:
        """Return the links that were removed, and whose data has not expired yet.

        Raises:
            NotFoundError: The project or the source does not exist.
        """
        return self._found(project, source).unlinked

    def _found(self, project: str | None, source: str | None) -> _Found:
        conditions: list[ColumnElement[bool]] = []
        with self._installation.store.begin() as session:
            if project is not None:
                row = lookups.project(session, project)
                conditions.append(ProjectSource.project_id == row.id)
            if source is not None:
                source_id = lookups.source(session, source).id
                conditions.append(ProjectSource.source_id == source_id)
            remains = link_remains.of(session, and_(true(), *conditions))
            return _Found(
                linked=[views.Link.of(link) for link in remains.linked],
                unlinked=[views.Link.of(link) for link in remains.unlinked],
            )

    def show(self, project: str, source: str) -> views.Link:
        """Return one link."""
        with self._installation.store.begin() as session:
            return views.Link.of(lookups.link(session, project, source))

    def add(
        self,
        project: str,
        source: str,
        *,
        mode: str | None = None,
        interval_hours: int | None = None,
        config: Mapping[str, Any] | None = None,
        exclude: ColumnPaths | None = None,
        hash: ColumnPaths | None = None,  # noqa: A002 - what the command calls it
    ) -> views.Link:
        """Let a project use a source.

        If the link was removed without its data, it takes up its earlier settings.

        Args:
            project: The id of the project.
            source: The name of the source.
            mode: ``project`` to use one credential of the project, ``user`` for each user's own;
                ``user`` by default.
            interval_hours: Hours between scheduled runs; 24 by default.
            config: Settings that choose what is read; the address is a setting of the source.
            exclude: By stream, paths of columns whose values must not arrive, such as
                ``{"cases": ["case_name", "properties.*phone*"]}``.
            hash: The same, for values of which only a hash may arrive.

        Raises:
            ConflictError: They are linked already.
            SettingsError: The mode, a setting or a stream is unknown.
        """
        change = LinkChange(
            mode=mode, interval_hours=interval_hours, config=config, exclude=exclude, hash=hash
        )
        return self._write(project, source, change, may_exist=False)

    def update(
        self,
        project: str,
        source: str,
        *,
        mode: str | None = None,
        interval_hours: int | None = None,
        config: Mapping[str, Any] | None = None,
        exclude: ColumnPaths | None = None,
        hash: ColumnPaths | None = None,  # noqa: A002 - what the command calls it
        unset: Collection[str] = (),
    ) -> views.Link:
        """Change a link; what is left out keeps its value.

        Args:
            project: The id of the project.
            source: The name of the source.
            mode: As in ``add``.
            interval_hours: As in ``add``.
            config: Settings to set; the others stay.
            exclude: As in ``add``; the paths of other streams stay. Rows that are loaded already
                keep their values: see ``earlier_rows``.
            hash: As ``exclude``.
            unset: Names to reset to their defaults: settings, ``streams``, ``mode``,
                ``interval_hours``, ``exclude``, ``hash``.

        Raises:
            NotFoundError: They are not linked.
            SettingsError: The mode, a setting or a stream is unknown.
        """
        change = LinkChange(
            mode=mode,
            interval_hours=interval_hours,
            config=config,
            exclude=exclude,
            hash=hash,
            unset=unset,
        )
        return self._write(project, source, change, may_create=False)

    def ensure(
        self,
        project: str,
        source: str,
        *,
        mode: str | None = None,
        interval_hours: int | None = None,
        config: Mapping[str, Any] | None = None,
        exclude: ColumnPaths | None = None,
        hash: ColumnPaths | None = None,  # noqa: A002 - what the command calls it
        unset: Collection[str] = (),
    ) -> views.Link:
        """Add a link, or change the existing one; what is left out keeps its value."""
        change = LinkChange(
            mode=mode,
            interval_hours=interval_hours,
            config=config,
            exclude=exclude,
            hash=hash,
            unset=unset,
        )
        try:
            return self._write(project, source, change)
        except ConflictError:  # another process has just added it
            return self._write(project, source, change)

    def earlier_rows(self, project: str, source: str) -> Sequence[str]:
        """Return the datasets of a link that may hold rows.

        After a change of ``exclude`` or ``hash``, rows keep the values they were loaded with until
        their dataset is dropped and loaded again.
        """
        with self._installation.store.begin() as session:
            link = lookups.link(session, project, source)
            rows = session.scalars(
                select(Dataset).where(
                    Dataset.project_source_id == link.id,
                    Dataset.status != DatasetStatus.EXPIRED,
                    # A run that failed or was interrupted may have committed rows, too.
                    exists().where(Run.dataset_id == Dataset.id, Run.started_at.is_not(None)),
                )
            )
            return [lookups.path(each) for each in rows]

    def unseen_paths(
        self, project: str, source: str, *, rules: Mapping[str, Any] | None = None
    ) -> Sequence[str]:
        """Return warnings of ``exclude`` and ``hash`` paths that no row loaded so far has.

        Such a path may be mistyped, and protects nothing then. One that other rules may have kept
        out of the rows is not told.

        Args:
            project: The id of the project.
            source: The name of the source.
            rules: All rules that are to be, in place of those of the link and its source.
        """
        with self._installation.store.begin() as session:
            link = lookups.link(session, project, source)
            loaded = session.scalars(
                select(Dataset).where(
                    Dataset.project_source_id == link.id, Dataset.status != DatasetStatus.EXPIRED
                )
            ).all()
        found = [unseen_paths.find(self._installation, each, rules) for each in loaded[:MAX_READ]]
        texts = {
            name: [each[name] for each in found if name in each] for name in set().union(*found)
        }
        return [by_dataset[0] for _, by_dataset in sorted(texts.items()) if all(by_dataset)]

    def remove(self, project: str, source: str, *, drop: bool = False) -> None:
        """Detach a source from a project; its data expires (see ``remaining``), or is dropped now.

        Queued runs are cancelled; a run in progress finishes first. With ``drop``, nothing is
        changed while there is one.

        Args:
            project: The id of the project.
            source: The name of the source.
            drop: Drop the data now. May be repeated after an earlier call without it.

        Raises:
            ConflictError: A run is in progress, or an object outside depends on the data.
        """
        with self._installation.store.begin() as session:
            link = lookups.link(session, project, source, include_inactive=drop)
            link.is_active = False
            datasets = session.scalars(
                select(Dataset).where(Dataset.project_source_id == link.id)
            ).all()
            for dataset in datasets:
                run_cancellation.cancel_waiting(session, dataset.id)
                if drop and (run := runs.alive(session, dataset.id)):
                    raise dataset_drop.busy_error(dataset, run)  # before anything is changed
                withdraw_consent(dataset)
            names = {"project": link.project_id, "source": link.source.name}
            audit.record(session, "unlinked", "source", link.source_id, **names, drop=drop)
        if not drop:
            return
        for dataset in datasets:
            dataset_drop.drop(self._installation, dataset.id)
        with self._installation.store.begin() as session:
            link_remains.delete_link(session, link.id)

    def remaining(self, project: str, source: str) -> Sequence[views.Dataset]:
        """Return the datasets of a link, removed or not, that hold data.

        Raises:
            NotFoundError: The project or the source does not exist.
        """
        with self._installation.store.begin() as session:
            project_id = lookups.project(session, project).id
            source_id = lookups.source(session, source).id
            rows = session.scalars(
                select(Dataset)
                .join(Dataset.project_source)
                .where(ProjectSource.project_id == project_id, ProjectSource.source_id == source_id)
                .order_by(Dataset.schema_name)
            )
            keep = default_keep(session)
            return [views.Dataset.of(each, keep) for each in rows if link_remains.holds_data(each)]

    def _write(
        self,
        project: str,
        source: str,
        change: LinkChange,
        *,
        may_exist: bool = True,
        may_create: bool = True,
    ) -> views.Link:
        change.check()
        with self._installation.store.begin() as session:
            project_row = lookups.project(session, project)
            source_row = lookups.source(session, source)
            link = lookups.locked_link(session, project_row, source_row)
            if link is not None and link.is_active and not may_exist:
                raise ConflictError(
                    f"The source {source} is already linked to the project {project}.",
                    f"Change it: scout links update {quote(source)} --project {quote(project)}",
                )
            if not may_create and (link is None or not link.is_active):
                lookups.link(session, project, source)  # raises NotFoundError
            is_linked = link is not None and link.is_active
            if link is None:
                link = ProjectSource(project=project_row, source=source_row, **DEFAULTS)
                link.sync_config = {}
                session.add(link)
            changed = self._change(session, link, change, is_linked=is_linked)
            names = {"project": project_row.id, "source": source_row.name}
            audit.record(session, "linked", "source", source_row.id, **names, changes=changed)
            return views.Link.of(link)

    def _change(
        self, session: Session, link: ProjectSource, change: LinkChange, *, is_linked: bool
    ) -> Mapping[str, Any]:
        """Change a link that may be used afterwards; return the changes for the audit trail."""
        extractor = self._installation.plugins.source_type(link.source.source_type)
        catalog = metadata.catalog_of_source(session, link.source.id)
        # One from before this check, or whose source has changed since, can still be updated.
        was_usable = not is_linked or incomplete_error(extractor, link) is None
        change.apply(link, extractor, catalog)
        changed = audit.changes(link)  # before the flush, which resets the history of columns
        session.flush()
        check_link(extractor, link)
        new_mode = None if is_linked else link.credential_mode
        if was_usable and (error := incomplete_error(extractor, link, new_mode)):
            raise error
        return changed


def incomplete_error(
    source_type: SourceType, link: ProjectSource, new_mode: str | None = None
) -> SettingsError | None:
    """Return the error for a link with which nothing can be read, or None."""
    source = link.source
    names = {*secret_context.tap_settings(source, source_type), *link.sync_config}
    return link_error(source_type, source, names, link.project.id, new_mode=new_mode)


@dataclass(frozen=True, kw_only=True)
class _Found:
    linked: Sequence[views.Link]
    unlinked: Sequence[views.Link]
