"""Which variables of an environment are for whom. Pure."""

from __future__ import annotations

# All that a run gets from our own environment: where programs, certificates and proxies are.
PASSED_ON = (
    *("HOME", "LANG", "LC_ALL", "TZ", "TMPDIR"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
    *("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"),
)
# A proxy's address may hold a password: it is for what talks to a source.
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
HANDED_ON = (*PASSED_ON, *PROXIES)
OF_A_PLUGIN = (
    *PASSED_ON,
    *("PATH", "NO_COLOR", "PYTHONUNBUFFERED", "PYTHONWARNINGS", "VIRTUAL_ENV"),
    *("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"),
    *("MELTANO_ENVIRONMENT", "MELTANO_RUN_ID", "MELTANO_SYS_DIR_ROOT"),
    *("SCOUT_RUN_ID", "SCOUT_DATASET_SCHEMA"),
    *("SINGER_SDK_LOG_CONFIG", "LOGGING_CONF_FILE"),
)
PROJECT = "SCOUT_PROJECT"
DBT = (
    *("DBT_PROJECT_DIR", "DBT_PROFILES_DIR", "DBT_TARGET_PATH", "DBT_LOG_PATH"),
    *("DBT_SEND_ANONYMOUS_USAGE_STATS", "DBT_USE_COLORS"),
)
# What dbt, and so the Jinja of a model, may read: libpq's variables and dbt's own, but passwords.
OF_DBT = frozenset({*OF_A_PLUGIN, PROJECT, "USER", "LOGNAME", "TERM", "COLUMNS"})
OF_DBT_BEGIN = ("PG", "DBT_")
PASSWORDS = ("PGPASSWORD", "DBT_ENV_SECRET")


def is_of_dbt(name: str) -> bool:
    """Return whether dbt may see a variable."""
    return (name in OF_DBT or name.startswith(OF_DBT_BEGIN)) and not name.startswith(PASSWORDS)
