"""``scout-dbt``: dbt on one dataset schema, with generated models and the loader's settings.

Users write models without knowing the secrets of an installation. So their Jinja finds no
credential and no password: not in the environment, not in dbt's objects, not in its connections.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from typing import NoReturn

import psycopg2

from scout_dbt import environment, private_process, run
from scout_dbt.dbt_command import DbtCommand
from scout_dbt.runner import failures
from scout_dbt.terminal import escaped

GC_THRESHOLDS = (100_000, 50, 1_000)


def main() -> None:
    """Run dbt with the arguments of this process, and exit with its code."""
    private_process.deny_inspection()
    # dbt creates hundreds of thousands of objects and keeps them to its end: looking for garbage
    # among them would take a fourth of the time.
    gc.set_threshold(*GC_THRESHOLDS)
    atexit.register(gc.freeze)
    try:
        visible = environment.dbt_environment(os.environ)
    except psycopg2.ProgrammingError:
        _exit(
            2,
            f"Error: {environment.DATABASE_URL} is not a Postgres URL. "
            "Write postgresql://user:password@host:port/database.",
        )
    os.environ.clear()  # before dbt is imported: models can read what is left
    os.environ.update(visible)
    command = DbtCommand(arguments=tuple(sys.argv[1:]), environment=visible)
    try:
        raise SystemExit(run.run(command))
    except (psycopg2.Error, KeyboardInterrupt) as error:
        _exit(*explain(error))


def explain(error: BaseException) -> tuple[int, *tuple[str, ...]]:
    """Return the exit code and the lines for an error outside of dbt, without its own message.

    Messages of Postgres quote values of records.
    """
    if isinstance(error, psycopg2.Error):
        return 1, *failures.lines("generated models", failures.of_postgres(error))
    return 130, "Interrupted: the loaded data is unchanged. Run again."


def _exit(code: int, *lines: str) -> NoReturn:
    sys.stderr.writelines(f"{escaped(line)}\n" for line in lines)
    raise SystemExit(code) from None
