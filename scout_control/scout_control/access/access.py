"""``Access``: the operations of ``Scout``, each as far as one person may use it.

identity = authenticate(scout.installation, token)
access = Access(scout, identity)
access.datasets.list(project="river")
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from scout_control.access import checkups, overview
from scout_control.access.administration import Audit, Purges
from scout_control.access.authorization import Authorizer
from scout_control.access.datasets import Datasets, Models
from scout_control.access.people import People, Sessions, Tokens
from scout_control.access.projects import Links, Members, Projects
from scout_control.access.queries import Queries
from scout_control.access.runs import Runs
from scout_control.access.sources import Connections, Credentials, Sources
from scout_control.store.locks import exclusive

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scout_control.access.checkups import Checkup
    from scout_control.access.grants import Grants
    from scout_control.access.identity import Identity
    from scout_control.api.overview import Status
    from scout_control.api.scout import Scout
    from scout_control.api.views import Dataset, Worker
    from scout_control.meltano.project import Job

LONGEST_WAIT_SECONDS = 10


class Access:
    """An installation for one person: every surface without a shell uses it, and nothing else.

    Args:
        scout: The installation; shared by all requests of a process.
        identity: Who is signed in, and how far the sign-in reaches.
    """

    def __init__(self, scout: Scout, identity: Identity) -> None:
        self.identity = identity
        auth = self._auth = Authorizer(scout, identity)
        self.audit = Audit(auth)
        self.connections = Connections(auth)
        self.credentials = Credentials(auth)
        self.datasets = Datasets(auth)
        self.links = Links(auth)
        self.members = Members(auth)
        self.models = Models(auth)
        self.people = People(auth)
        self.projects = Projects(auth)
        self.purges = Purges(auth)
        self.queries = Queries(auth)
        self.runs = Runs(auth)
        self.sessions = Sessions(auth)
        self.sources = Sources(auth)
        self.tokens = Tokens(auth)

    @contextmanager
    def changing(self, operation: str, identity: str) -> Iterator[None]:
        """Let no other request change an object while this one does, in any process that serves.

        Args:
            operation: What changes it.
            identity: Its id.

        Raises:
            ForbiddenError: The sign-in does not reach this far.
            ConflictError: Another request took too long.
        """
        self._auth.check_scope(operation)
        store, kind = self._auth.scout.installation.store, operation.partition(".")[0]
        with exclusive(store, f"scout change {kind} {identity}", LONGEST_WAIT_SECONDS):
            yield

    def status(
        self, *, project: str | None = None, dataset: str | None = None, history: int = 0
    ) -> Status:
        """Return the sources, credentials and data that the person may see, the worst first.

        Args:
            project: Only of this project.
            dataset: Only this dataset.
            history: Also the latest runs of each dataset, this many.
        """
        return overview.status(self._auth, project=project, dataset=dataset, history=history)

    def grants(self) -> Grants:
        """Return what the person may do now: for a page that asks about many objects."""
        return self._auth.grants()

    def may(self, operation: str, *, project: str | None = None, user: str | None = None) -> bool:
        """Return whether an operation would be allowed on what a project or a user owns."""
        return self.grants().may(operation, project=project, user=user)

    def would_expire(self) -> Sequence[Dataset]:
        """Return the datasets whose data the next round of background jobs would drop."""
        with self._auth.installation("would_expire"):
            return self._auth.scout.would_expire()

    def doctor(self) -> Checkup:
        """Return what the checks of the installation find, at most some seconds old.

        Raises:
            BusyError: The first checks of this process are still under way.
        """
        with self._auth.installation("doctor"):
            return checkups.of(self._auth.scout)

    def workers(self) -> Sequence[Worker]:
        """Return the worker processes, the latest sign of life first."""
        with self._auth.installation("workers"):
            return self._auth.scout.workers()

    def pipelines(self) -> Sequence[Job]:
        """Return the pipelines: jobs of meltano.yml that load a dataset schema."""
        with self._auth.installation("pipelines"):
            return self._auth.scout.pipelines()
