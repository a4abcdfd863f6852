"""An invalid setting is named with what it may be, and never with its value."""

from __future__ import annotations

import pytest
from target_scout_postgres import settings
from target_scout_postgres.errors import SettingsError

REQUIRED = {"database_url": "postgresql://h/d", "default_target_schema": "river"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"port": "canary"}, "port must be of type integer from 1 to 65535"),
        ({"lock_wait_seconds": -1}, "number greater than 0 to 86400"),
        ({"load_method": "canary"}, "load_method must be one of append-only, overwrite, upsert"),
        ({"keyless_overrides": "canary"}, "keyless_overrides must be of type object"),
        ({"keyless_overrides": {"a": "canary"}}, "Each value .* must be one of append, replace"),
        ({"hard_delete": 7}, "hard_delete must be of type boolean"),
        ({"batch_size_bytes": -1}, "batch_size_bytes must be of type integer from 1"),
        ({"default_target_schema": "pg_canary"}, "or begin with pg_"),
        ({"default_target_schema": "x" * 64}, "63 bytes"),
        ({"default_target_schema": " "}, "must not be blank"),
        ({"sslrootcert": "/not/there/canary.pem"}, "sslrootcert names a file that does not exist"),
        ({"sslcert": "/not/there/canary.pem"}, "sslcert names a file that does not exist"),
        ({"sslkey": "/not/there/canary.pem"}, "sslkey names a file that does not exist"),
        ({"default_target_schema": ""}, "default_target_schema is missing"),
        ({"database_url": None}, "database_url is missing"),
    ],
)
def test_an_invalid_setting_is_named_without_its_value(wrong, message):
    with pytest.raises(SettingsError, match=message) as raised:
        settings.validate(REQUIRED | wrong)
    assert "canary" not in str(raised.value)


def test_settings_from_the_environment_may_be_json():
    environment = {
        "TARGET_SCOUT_POSTGRES_KEYLESS_OVERRIDES": '{"audit_log": "append"}',
        "TARGET_SCOUT_POSTGRES_FLATTENING_ENABLED": "True",
        "TARGET_SCOUT_POSTGRES_PORT": "5433",
    }
    read = settings.read(["ENV"], environment)

    assert read["flattening_enabled"] is True
    validated = settings.validate(REQUIRED | read)
    assert (validated.port, validated.keyless_overrides) == (5433, {"audit_log": "append"})
