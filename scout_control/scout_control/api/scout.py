"""The Python interface: what the commands do, for programs that embed Scout.

from scout_control import Scout

with Scout() as scout:
    scout.init()
    run = scout.run("river/hq", on_progress=print)
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from scout_control.errors import ConflictError
from scout_control.installation.installation import Installation
from scout_control.installation.settings import Settings
from scout_control.rules.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Any, Self

    from scout_control.api import views
    from scout_control.api.audit import Audit
    from scout_control.api.connections import Connections
    from scout_control.api.credentials import Credentials
    from scout_control.api.datasets import Datasets
    from scout_control.api.desired_state.execution import Outcome
    from scout_control.api.desired_state.exporting import Export
    from scout_control.api.desired_state.planning import Plan
    from scout_control.api.desired_state.service import Result
    from scout_control.api.keys import Keys
    from scout_control.api.links import Links
    from scout_control.api.members import Members
    from scout_control.api.models import Models
    from scout_control.api.overview import Status
    from scout_control.api.people import People
    from scout_control.api.projects import Projects
    from scout_control.api.purge import Purges
    from scout_control.api.queries import Queries
    from scout_control.api.runs import Runs
    from scout_control.api.sessions import Sessions
    from scout_control.api.sources import Sources
    from scout_control.api.tokens import Tokens
    from scout_control.installation.stored_secrets import DeletedSecret
    from scout_control.meltano.project import Job
    from scout_control.runs.context import ProgressEvent


class Scout:
    """One installation of Scout. Use it as a context manager, or close it.

    Its parts are imported when they are first used.

    Args:
        settings: The settings of the installation; read from the environment by default.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.installation = Installation(settings or Settings.load())

    @cached_property
    def connections(self) -> Connections:
        """Databases that hold dataset schemas."""
        from scout_control.api.connections import Connections

        return Connections(self.installation)

    @cached_property
    def projects(self) -> Projects:
        """Groups of people that share data."""
        from scout_control.api.projects import Projects

        return Projects(self.installation)

    @cached_property
    def sources(self) -> Sources:
        """Configured sources, and their links to projects."""
        from scout_control.api.sources import Sources

        return Sources(self.installation)

    @cached_property
    def links(self) -> Links:
        """Uses of sources by projects."""
        from scout_control.api.links import Links

        return Links(self.installation)

    @cached_property
    def credentials(self) -> Credentials:
        """Accounts at sources."""
        from scout_control.api.credentials import Credentials

        return Credentials(self.installation)

    @cached_property
    def datasets(self) -> Datasets:
        """Sources materialised for owners."""
        from scout_control.api.datasets import Datasets

        return Datasets(self.installation)

    @cached_property
    def runs(self) -> Runs:
        """Executions for datasets."""
        from scout_control.api.runs import Runs

        return Runs(self.installation)

    @cached_property
    def audit(self) -> Audit:
        """The audit trail."""
        from scout_control.api.audit import Audit

        return Audit(self.installation)

    @cached_property
    def models(self) -> Models:
        """The dbt models of datasets."""
        from scout_control.api.models import Models

        return Models(self.installation)

    @cached_property
    def people(self) -> People:
        """People who sign in."""
        from scout_control.api.people import People

        return People(self.installation)

    @cached_property
    def members(self) -> Members:
        """The people of projects."""
        from scout_control.api.members import Members

        return Members(self.installation)

    @cached_property
    def tokens(self) -> Tokens:
        """Tokens with which programs act for a person."""
        from scout_control.api.tokens import Tokens

        return Tokens(self.installation)

    @cached_property
    def keys(self) -> Keys:
        """The keys that encrypt stored secrets."""
        from scout_control.api.keys import Keys

        return Keys(self.installation)

    @cached_property
    def sessions(self) -> Sessions:
        """Browsers in which people are signed in."""
        from scout_control.api.sessions import Sessions

        return Sessions(self.installation)

    @cached_property
    def purges(self) -> Purges:
        """Removal of everything that belongs to an owner."""
        from scout_control.api.purge import Purges

        return Purges(self.installation)

    @cached_property
    def queries(self) -> Queries:
        """The history of queries."""
        from scout_control.api.queries import Queries

        return Queries(self.installation)

    def plan(self, desired: Mapping[str, Any] | Iterable[str], *, prune: bool = False) -> Plan:
        """Return what ``apply`` would change; changes nothing.

        Args:
            desired: A mapping as in docs/reference/desired-state.md, or the names of YAML files.
            prune: Also remove what it does not describe, of the kinds that it describes.

        Raises:
            InvalidStateError: It has mistakes, which are in ``problems``.
        """
        from scout_control.api.desired_state.service import Application

        return Application(self.installation, desired, is_pruning=prune).plan()

    def apply(
        self,
        desired: Mapping[str, Any] | Iterable[str],
        *,
        prune: bool = False,
        may_remove: bool = False,
        test: bool = False,
        on_outcome: Callable[[Outcome], None] = lambda _: None,
    ) -> Result:
        """Make connections, sources, projects, links, sharing and credentials as described.

        What is so already is left alone. How each change ended is in the result.

        Args:
            desired: A mapping as in docs/reference/desired-state.md, or the names of YAML files.
            prune: Also remove what it does not describe, of the kinds that it describes.
            may_remove: Confirms the removals of ``prune``, which drop data.
            test: Read from the sources with new accounts first, and store those that succeed.
            on_outcome: Called after each change.

        Raises:
            InvalidStateError: It has mistakes; nothing was changed.
            ConflictError: Something would be removed without ``may_remove``.
        """
        from scout_control.api.desired_state.service import Application

        application = Application(self.installation, desired, is_pruning=prune)
        plan = application.plan(is_warning=False)
        if plan.removals and not may_remove:
            raise ConflictError(
                f"{counted(len(plan.removals), 'object')} would be removed; nothing was changed.",
                "Look at the plan, then confirm with may_remove=True.",
            )
        return application.apply(plan, on_outcome, (lambda _: None) if test else None)

    def ensure(self, **sections: Any) -> Result:
        """Apply the given sections: ``ensure(projects={"river": {}})``; removes nothing."""
        return self.apply(sections)

    def export(self) -> Export:
        """Return what there is as a document that ``apply`` accepts, without secrets."""
        from scout_control.api.desired_state import service

        return service.export(self.installation)

    def init(
        self,
        *,
        keep: str | None = None,
        reset_unreadable: bool = False,
        listen: int | None = None,
        on_reset: Callable[[DeletedSecret], None] = lambda _: None,
    ) -> str:
        """Initialise or upgrade the installation; return the version of the store.

        Args:
            keep: How long unused data is kept by default, such as 24h, 30d or forever; None leaves
                it as it is.
            reset_unreadable: Delete the stored secrets that no configured key decrypts; they have
                to be stored again.
            listen: A port of this machine on which the embedded Postgres listens for readers, too;
                0 for its socket only; None leaves it as it is.
            on_reset: Called with each secret that ``reset_unreadable`` has deleted.

        Raises:
            SettingsError: No configured key decrypts some of the stored secrets.
            ConflictError: The port is taken, or others use the embedded Postgres.
        """
        from scout_control.installation import setup
        from scout_control.rules import retention

        period = None if keep is None else retention.parse(keep)
        if listen is not None:
            setup.listen(self.installation, listen)
        return setup.init(
            self.installation, period, reset_unreadable=reset_unreadable, on_reset=on_reset
        )

    def run(
        self,
        dataset: str,
        *,
        on_progress: Callable[[ProgressEvent], None] = lambda _: None,
        full_refresh: bool = False,
    ) -> views.Run:
        """Load and transform a dataset now, and return the finished run.

        Args:
            dataset: The dataset: project/source, project/source/user, its schema or its id.
            on_progress: Called with each progress event.
            full_refresh: Discard the state and read everything.

        Raises:
            ControlError: The run could not be started. How it ended is in its ``status``.
        """
        return self.runs.execute(dataset, on_progress=on_progress, full_refresh=full_refresh)

    def pipelines(self) -> list[Job]:
        """Return the pipelines: jobs of meltano.yml that load a dataset schema."""
        return self.installation.plugins.jobs()

    def status(
        self, *, project: str | None = None, user: str | None = None, history: int = 0
    ) -> Status:
        """Return available sources, connected credentials, and synced data, the worst first.

        Args:
            project: Only what this project uses.
            user: Only what this user sees.
            history: Also return this many of the latest runs of each dataset.
        """
        from scout_control.api import overview

        return overview.status(self.installation, project=project, user=user, history=history)

    def rotate_keys(self, *, forget_old: bool = False) -> int:
        """Re-encrypt secrets as ``keys.rotate`` does; return how many were changed."""
        return self.keys.rotate(forget_old=forget_old).changed

    def tick(self, *, idle: timedelta | None = None) -> dict[str, int]:
        """Run the background jobs once; return how much each of them did.

        Runs that become due are queued; ``work`` executes them.

        Args:
            idle: Drop data that has been unused for this long, except where the dataset sets its
                retention period; None for the period of the installation.
        """
        from scout_control.scheduler import maintenance

        return maintenance.tick(self.installation, idle)

    def would_expire(self, *, idle: timedelta | None = None) -> list[views.Dataset]:
        """Return the datasets whose data ``tick`` would drop."""
        from scout_control.scheduler import maintenance

        found = maintenance.would_expire(self.installation, datetime.now(UTC), idle)
        return [self.datasets.show(str(each)) for each in found]

    def doctor(self, *, most_seconds: float | None = None) -> list[views.Finding]:
        """Check the installation, and return what was found; each problem has its remedy.

        Args:
            most_seconds: Begin no further check after this time, and say which were left out.
        """
        from scout_control.api import doctor

        return doctor.examine(self.installation, most_seconds)

    def workers(self) -> list[views.Worker]:
        """Return the worker processes that the queue knows, the latest sign of life first."""
        from scout_control.api import views
        from scout_control.store import queue

        with self.installation.store.begin() as session:
            return [views.Worker(**row) for row in queue.workers(session)]

    def work(self, *, concurrency: int = 2, until_idle: bool = False) -> int:
        """Execute queued runs and background jobs until SIGTERM or SIGINT.

        Args:
            concurrency: Number of runs executed at the same time.
            until_idle: Return when the queue is empty.

        Returns:
            The signal that ended it, or 0.
        """
        from scout_control.scheduler import worker

        options = worker.Options(concurrency=concurrency, until_idle=until_idle)
        return worker.work(self.installation, options)

    def encrypt_credentials(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return a configuration with its secrets encrypted and marked ``__enc_<field>``."""
        from scout_control.credentials import encrypted_config

        return encrypted_config.encrypt_credentials(config, self.installation.keyring)

    def decrypt_credentials(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Reverse ``encrypt_credentials``."""
        from scout_control.credentials import encrypted_config

        return encrypted_config.decrypt_credentials(config, self.installation.keyring)

    def close(self) -> None:
        """Close the connections of the installation to Postgres."""
        self.installation.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
