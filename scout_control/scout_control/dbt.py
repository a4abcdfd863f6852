"""``scout-dbt``: dbt with the database settings of the loader.

The loader may be given a URL or single settings; dbt knows only single settings, so whoever runs a
pipeline would have to say everything twice. This turns the one into the other, in the environment,
and becomes dbt. It knows no model and no dataset.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
from psycopg2.extensions import parse_dsn

if TYPE_CHECKING:
    from collections.abc import Mapping

LOADER = "TARGET_SCOUT_POSTGRES_"
DATASET_SCHEMA = "SCOUT_DATASET_SCHEMA"
PASSWORD = "DBT_ENV_SECRET_PGPASSWORD"  # noqa: S105 - a name; dbt keeps such values out of its logs
# libpq keyword, setting of the loader, variable that the profile or libpq reads
CONNECTION = (
    ("host", "HOST", "PGHOST"),
    ("port", "PORT", "PGPORT"),
    ("user", "USER", "PGUSER"),
    ("password", "PASSWORD", PASSWORD),
    ("dbname", "DATABASE", "PGDATABASE"),
    ("sslmode", "SSLMODE", "PGSSLMODE"),
    ("sslrootcert", "SSLROOTCERT", "PGSSLROOTCERT"),
    ("sslcert", "SSLCERT", "PGSSLCERT"),
    ("sslkey", "SSLKEY", "PGSSLKEY"),
)


def main() -> None:
    """Run dbt with the arguments given."""
    try:
        environment = os.environ | translated(os.environ)
    except psycopg2.ProgrammingError:
        sys.stderr.write(
            f"Error: {LOADER}DATABASE_URL is not a URL of Postgres. "
            "Write postgresql://user:password@host:port/database.\n"
        )
        raise SystemExit(2) from None
    dbt = Path(sys.executable).with_name("dbt")
    os.execve(dbt, [str(dbt), *sys.argv[1:]], environment)  # noqa: S606 - a fixed program, no shell


def translated(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what the loader's settings say as variables of dbt's profile: a URL or single ones."""
    url = environment.get(f"{LOADER}DATABASE_URL")
    if environment.get(f"{LOADER}HOST"):
        url = None  # as the loader itself decides
    told = parse_dsn(url) if url else {}
    found = {}
    for keyword, setting, variable in CONNECTION:
        value = told.get(keyword) if url else environment.get(LOADER + setting)
        if value:
            found[variable] = value
    if schema := environment.get(f"{LOADER}DEFAULT_TARGET_SCHEMA"):
        found[DATASET_SCHEMA] = schema
    return found
