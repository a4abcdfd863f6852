"""Connection parameters as the environment variables of libpq, without the password.

Anything that runs in a process, such as the Jinja of a model, can read a password from a variable.
The password file (``PGPASSFILE``) is read by libpq only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PASSFILE = "PGPASSFILE"
# (libpq's keyword, setting of the loader, libpq's variable)
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


def variables(parameters: Mapping[str, object]) -> dict[str, str]:
    """Return connection parameters as variables, except the password."""
    return {
        variable: str(parameters[keyword])
        for keyword, _, variable in CONNECTION
        if parameters.get(keyword) not in {None, ""}
    }


def passfile(password: str) -> str:
    """Return the content of a password file that applies to every server."""
    escaped = password.replace("\\", "\\\\").replace(":", "\\:")
    return f"*:*:*:*:{escaped}\n"
