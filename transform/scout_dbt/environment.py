"""The environment of dbt: the location of the database, and no secrets.

The loader takes a URL or single settings, dbt takes single settings only. This translates the
loader's settings to libpq's variables, so that they are given once.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from psycopg2.extensions import make_dsn, parse_dsn

from scout_dbt import libpq
from scout_dbt.anonymous_file import anonymous_file

if TYPE_CHECKING:
    from collections.abc import Mapping

LOADER = "TARGET_SCOUT_POSTGRES_"
DATABASE_URL = f"{LOADER}DATABASE_URL"
DATASET_SCHEMA = "SCOUT_DATASET_SCHEMA"
PROJECT = "SCOUT_PROJECT"
ALIAS = "SCOUT_DATASET_ALIAS"
"""The schema in which people find the tables; without one, the dataset schema."""
PASSWORDS = (f"{LOADER}PASSWORD", "PGPASSWORD", "DBT_ENV_SECRET_PGPASSWORD")

# Models can read all of this with env_var(): an allow-list, since an installation keeps its secrets
# in variables too. It covers what scout_control gives every plugin of a run; a test holds that.
VISIBLE = frozenset(
    {
        *("HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PATH"),
        *("TERM", "COLUMNS", "NO_COLOR"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
        *("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "PYTHONUNBUFFERED", "PYTHONWARNINGS"),
        *("VIRTUAL_ENV", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"),
        *("MELTANO_ENVIRONMENT", "MELTANO_RUN_ID", "MELTANO_SYS_DIR_ROOT"),
        *("SCOUT_RUN_ID", DATASET_SCHEMA, PROJECT, ALIAS),
        *("SINGER_SDK_LOG_CONFIG", "LOGGING_CONF_FILE"),
    }
)
VISIBLE_PREFIXES = ("PG", "DBT_")
SECRET_PREFIXES = ("PGPASSWORD", "DBT_ENV_SECRET")


def is_visible(name: str) -> bool:
    """Return whether dbt, and so the Jinja of a model, may see a variable."""
    is_allowed = name in VISIBLE or name.startswith(VISIBLE_PREFIXES)
    return is_allowed and not name.startswith(SECRET_PREFIXES)


def dbt_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of dbt; the password is in an anonymous password file.

    Raises:
        psycopg2.ProgrammingError: The loader's database URL is invalid.
    """
    visible = {name: value for name, value in environment.items() if is_visible(name)}
    variables, password = connection_variables(environment)
    if password:
        fallback = Path(tempfile.gettempdir(), f"scout-dbt-{os.getpid()}.pgpass")
        visible[libpq.PASSFILE] = anonymous_file(libpq.passfile(password), fallback)
    return visible | variables


def connection_variables(environment: Mapping[str, str]) -> tuple[dict[str, str], str | None]:
    """Return the loader's settings as libpq's variables, and the password.

    Without settings of the loader there are no variables: those of libpq then apply as they are.
    """
    url = environment.get(DATABASE_URL)
    if environment.get(f"{LOADER}HOST"):
        url = None  # single settings take precedence, as in the loader itself
    settings = {
        keyword: environment.get(LOADER + setting) for keyword, setting, _ in libpq.CONNECTION
    }
    parameters = parse_dsn(url) if url else settings
    variables = libpq.variables(parameters)
    if schema := environment.get(f"{LOADER}DEFAULT_TARGET_SCHEMA"):
        variables[DATASET_SCHEMA] = schema
    if url:
        return variables, parameters.get("password")
    password = next((environment[name] for name in PASSWORDS if environment.get(name)), None)
    return variables, password


def conninfo(environment: Mapping[str, str]) -> str:
    """Return the database of an environment as a connection string."""
    parameters = {
        keyword: environment[variable]
        for keyword, variable in libpq.VARIABLES
        if environment.get(variable)
    }
    return make_dsn(**parameters)
