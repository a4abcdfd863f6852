"""The Python interface: what the commands do, for programs that embed Scout.

from scout_control import Scout

with Scout() as scout:
    scout.init()
    run = scout.run("river/hq", on_progress=print)
"""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from scout_control.api.audit import Audit
from scout_control.api.credentials import Credentials
from scout_control.api.datasets import Datasets
from scout_control.api.overview import Overview, Status
from scout_control.api.owners import Connections, Projects
from scout_control.api.runs import Runs
from scout_control.api.sources import Sources
from scout_control.credentials import encrypted_config
from scout_control.installation import key_rotation
from scout_control.installation.installation import Site
from scout_control.installation.settings import Settings
from scout_control.runs.execute import Step
from scout_control.scheduler import maintenance

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Any, Self

    from scout_control.api import views
    from scout_control.api.models import Models
    from scout_control.api.purge import Erasure
    from scout_control.meltano.project import Job

A_DAY = timedelta(hours=24)


class Scout:
    """One installation of Scout. Close it, or use it as a context.

    Args:
        settings: Where it is; by default what the environment says.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.site = Site(settings or Settings.load())
        self.connections = Connections(self.site)
        self.projects = Projects(self.site)
        self.sources = Sources(self.site)
        self.credentials = Credentials(self.site)
        self.datasets = Datasets(self.site)
        self.runs = Runs(self.site)
        self.audit = Audit(self.site)

    @cached_property
    def models(self) -> Models:
        """The models of datasets: what their tables are and mean."""
        from scout_control.api.models import Models  # noqa: PLC0415 - takes a moment to load

        return Models(self.site)

    @cached_property
    def erasure(self) -> Erasure:
        """The removal of owners: what it would remove, what it removed, what is left."""
        from scout_control.api.purge import Erasure  # noqa: PLC0415 - takes a moment to load

        return Erasure(self.site)

    def init(self) -> str:
        """Set the installation up, or bring it to this version; return the store's version."""
        from scout_control.installation import setup  # noqa: PLC0415 - takes a moment to load

        return setup.init(self.site)

    def run(
        self,
        dataset: str,
        *,
        on_progress: Callable[[Step], None] = lambda _: None,
        full_refresh: bool = False,
    ) -> views.Run:
        """Load and transform a dataset now, and return the run as it ended.

        Args:
            dataset: By project/source, project/source/user, schema or id.
            on_progress: Is told of every step.
            full_refresh: Forget the state and read everything.

        Raises:
            ControlError: It could not be started. How a run ended is in its ``status``.
        """
        return self.runs.execute(dataset, on_progress=on_progress, full_refresh=full_refresh)

    def pipelines(self) -> list[Job]:
        """Return the pipelines: jobs of meltano.yml that load a dataset schema."""
        return self.site.plugins.jobs()

    def status(self, *, project: str | None = None, user: str | None = None) -> Status:
        """Return what sources there are, which accounts are connected, which data is there."""
        overview = Overview(self.sources, self.credentials, self.datasets)
        return overview.status(project=project, user=user)

    def rotate_keys(self, *, forget_old: bool = False) -> int:
        """Encrypt everything under the first key; return how many secrets that changed.

        Args:
            forget_old: Drop the older keys from the key file afterwards; processes that started
                before then cannot read what they know.
        """
        return key_rotation.rotate(self.site, forget_old=forget_old)

    def tick(self, *, idle: timedelta = A_DAY) -> dict[str, int]:
        """Do one round of upkeep: start what is due, take over, renew, expire; tell what was done.

        The runs that it queues are for workers; see ``work``.
        """
        return maintenance.tick(self.site, idle)

    def work(self, *, concurrency: int = 2, until_idle: bool = False) -> int:
        """Be a worker until nothing is left to do, or SIGTERM or SIGINT; return which one, or 0."""
        from scout_control.scheduler import worker  # noqa: PLC0415 - takes a moment to load

        options = worker.Options(concurrency=concurrency, until_idle=until_idle)
        return worker.work(self.site, options)

    def encrypt_credentials(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return a configuration whose secrets are encrypted and marked ``__enc_<field>``."""
        return encrypted_config.encrypt_credentials(config, self.site.keyring)

    def decrypt_credentials(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return a configuration as it was before ``encrypt_credentials``."""
        return encrypted_config.decrypt_credentials(config, self.site.keyring)

    def close(self) -> None:
        """Close all connections."""
        self.site.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
