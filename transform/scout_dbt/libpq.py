"""Connection parameters as libpq's environment variables, with the password in a file.

A variable is visible to everything in the process, such as the Jinja of a model; a password file
(``PGPASSFILE``) is read by libpq alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PASSFILE = "PGPASSFILE"
# Keyword of libpq, setting of the loader, environment variable of libpq.
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
# The same without a setting of the loader: only a URL has them.
OF_URLS = (
    ("sslcrl", "PGSSLCRL"),
    ("sslcrldir", "PGSSLCRLDIR"),
    ("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    ("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    ("sslcertmode", "PGSSLCERTMODE"),
    ("sslnegotiation", "PGSSLNEGOTIATION"),
    ("sslsni", "PGSSLSNI"),
    ("channel_binding", "PGCHANNELBINDING"),
    ("require_auth", "PGREQUIREAUTH"),
    ("gssencmode", "PGGSSENCMODE"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("options", "PGOPTIONS"),
)
VARIABLES = (*((keyword, variable) for keyword, _, variable in CONNECTION), *OF_URLS)


def variables(parameters: Mapping[str, object]) -> dict[str, str]:
    """Return connection parameters as environment variables, without the password."""
    return {
        variable: str(parameters[keyword])
        for keyword, variable in VARIABLES
        if parameters.get(keyword) not in {None, ""}
    }


def passfile(password: str) -> str:
    """Return the content of a password file that is valid for every server."""
    escaped = password.replace("\\", "\\\\").replace(":", "\\:")
    return f"*:*:*:*:{escaped}\n"
