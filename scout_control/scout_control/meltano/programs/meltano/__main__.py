"""Meltano as control starts it: as it is, but for three things.

Its database is a file that lives as long as the run, and that a plugin of the run could write. So
its tables are made at once, not by all the migrations that there ever were; and settings are not
read from it: they are pickles there, which run as code. And since Meltano makes objects by the
hundred thousand while it starts and keeps them, garbage is looked for less often.
"""

from __future__ import annotations

import gc

gc.set_threshold(100_000, 50, 50)

from meltano.cli import main  # noqa: E402 - after what it shall be started with
from meltano.core.job.job import Job  # noqa: E402
from meltano.core.migration_service import MigrationService  # noqa: E402
from meltano.core.setting import Setting  # noqa: E402
from sqlalchemy.types import LargeBinary, TypeDecorator  # noqa: E402


class Unread(TypeDecorator[None]):
    """A value that is never looked at."""

    impl = LargeBinary
    cache_ok = True

    def process_result_value(self, value: object, dialect: object) -> None:
        """Return nothing."""


def make_tables(service: MigrationService, *, silent: bool = False) -> None:  # noqa: ARG001
    """Make the tables of this version in an empty database."""
    Job.metadata.create_all(service.engine)


Setting.__table__.c.value.type = Unread()
MigrationService.upgrade = make_tables  # type: ignore[assignment,method-assign]  # as said above

if __name__ == "__main__":
    main()
