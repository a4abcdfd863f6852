"""``Access``: the operations of ``Scout``, each as far as one person may use it.

identity = authenticate(scout.installation, token)
access = Access(scout, identity)
access.datasets.list(project="river")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scout_control.access.administration import Audit, Purges
from scout_control.access.authorization import Authorizer
from scout_control.access.datasets import Datasets, Models, Runs
from scout_control.access.people import People, Sessions, Tokens
from scout_control.access.projects import Links, Members, Projects
from scout_control.access.sources import Connections, Credentials, Sources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scout_control.access.identity import Identity
    from scout_control.api.scout import Scout
    from scout_control.meltano.project import Job


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
        self.runs = Runs(auth)
        self.sessions = Sessions(auth)
        self.sources = Sources(auth)
        self.tokens = Tokens(auth)

    def pipelines(self) -> Sequence[Job]:
        """Return the pipelines: jobs of meltano.yml that load a dataset schema."""
        with self._auth.installation("pipelines"):
            return self._auth.scout.pipelines()
