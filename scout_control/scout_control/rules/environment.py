"""The environment variables that each process of a run may see."""

from __future__ import annotations

# Inherited by every process of a run: locations of programs and certificates.
COMMON_VARIABLES = (
    *("HOME", "LANG", "LC_ALL", "TZ", "TMPDIR"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
    *("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"),
)
# A proxy URL may hold a password, so only processes that talk to a source get it.
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
RUN_VARIABLES = (*COMMON_VARIABLES, *PROXIES)
PLUGIN_VARIABLES = (
    *COMMON_VARIABLES,
    *("PATH", "NO_COLOR", "PYTHONUNBUFFERED", "PYTHONWARNINGS", "VIRTUAL_ENV"),
    *("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"),
    *("MELTANO_ENVIRONMENT", "MELTANO_RUN_ID", "MELTANO_SYS_DIR_ROOT"),
    *("SCOUT_RUN_ID", "SCOUT_DATASET_SCHEMA"),
    *("SINGER_SDK_LOG_CONFIG", "LOGGING_CONF_FILE"),
)
PROJECT = "SCOUT_PROJECT"
ALIAS = "SCOUT_DATASET_ALIAS"
DBT_SETTINGS = (
    *("DBT_PROJECT_DIR", "DBT_PROFILES_DIR", "DBT_TARGET_PATH", "DBT_LOG_PATH"),
    *("DBT_SEND_ANONYMOUS_USAGE_STATS", "DBT_USE_COLORS"),
)
