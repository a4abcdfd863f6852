"""Says where a database is by the variables that libpq reads, with the password in none of them.

A password in a variable is read by whatever runs in the process, such as the Jinja of a model. In
a file it is read by libpq alone (``PGPASSFILE``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PASSFILE = "PGPASSFILE"
# libpq's keyword, setting of the loader, libpq's variable
CONNECTION = (
    ("host", "HOST", "PGHOST"),
    ("port", "PORT", "PGPORT"),
    ("user", "USER", "PGUSER"),
    ("dbname", "DATABASE", "PGDATABASE"),
    ("sslmode", "SSLMODE", "PGSSLMODE"),
    ("sslrootcert", "SSLROOTCERT", "PGSSLROOTCERT"),
    ("sslcert", "SSLCERT", "PGSSLCERT"),
    ("sslkey", "SSLKEY", "PGSSLKEY"),
)


def variables(told: Mapping[str, object]) -> dict[str, str]:
    """Return the parts of a connection as variables, all but the password."""
    return {
        variable: str(told[keyword])
        for keyword, _, variable in CONNECTION
        if told.get(keyword) not in {None, ""}
    }


def passfile(password: str) -> str:
    """Return what a password file says that holds for every server."""
    escaped = password.replace("\\", "\\\\").replace(":", "\\:")
    return f"*:*:*:*:{escaped}\n"
