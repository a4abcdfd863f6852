"""Starts Meltano for a run, with changes that make it safe and quick.

Its database is a file that lasts as long as the run, and that a plugin could write. So its tables
are created directly instead of by all past migrations, and settings are not read from it: they are
pickles, which execute code. Meltano also creates and keeps hundreds of thousands of objects at
start-up, so the garbage collector runs less often, and not at exit. Only the commands that
``scout_control.meltano`` uses are imported.
"""

from __future__ import annotations

import atexit
import gc
import sys
from types import ModuleType

import click

gc.set_threshold(100_000, 50, 50)
atexit.register(gc.freeze)

UNUSED = (
    *("add", "cloud", "compile", "config", "docs", "dragon", "elt", "environment", "hub"),
    *("initialize", "install", "job", "lock", "logs", "plugin", "remove", "schedule", "schema"),
    *("select_entities", "state", "upgrade", "validate"),
)


class UnusedCommands(ModuleType):
    """In place of a module with commands of Meltano that no run uses."""

    def __getattr__(self, name: str) -> click.Command:
        """Return a command that does nothing."""
        if name.startswith("__"):
            raise AttributeError(name)
        return click.Command(name, hidden=True)


for each in UNUSED:
    sys.modules[f"meltano.cli.{each}"] = UnusedCommands(f"meltano.cli.{each}")

from meltano.cli import main
from meltano.core.job.job import Job
from meltano.core.migration_service import MigrationService
from meltano.core.setting import Setting
from sqlalchemy.types import LargeBinary, TypeDecorator


class UnreadValue(TypeDecorator[None]):
    """A column whose values are never decoded."""

    impl = LargeBinary
    cache_ok = True

    def process_result_value(self, value: object, dialect: object) -> None:
        """Return None."""


def create_tables(service: MigrationService, **_: object) -> None:
    """Create the current tables in an empty database."""
    Job.metadata.create_all(service.engine)


Setting.__table__.c.value.type = UnreadValue()
MigrationService.upgrade = create_tables  # type: ignore[assignment,method-assign]  # see the module's docstring

if __name__ == "__main__":
    main()
