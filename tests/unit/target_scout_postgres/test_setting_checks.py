"""Rules for columns are checked before anything starts, and no message quotes a secret."""

from __future__ import annotations

import pytest
from target_scout_postgres import settings
from target_scout_postgres.errors import SettingsError
from target_scout_postgres.setting_checks import MIN_HASH_KEY, check_column_rules

REQUIRED = {"database_url": "postgresql://h/d", "default_target_schema": "river"}
KEY = "k" * MIN_HASH_KEY


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"exclude_columns": {"cases": [""]}}, "exclude_columns has an invalid path .* cases"),
        ({"exclude_columns": {"cases": ["a..b"]}}, "such as properties.phone"),
        ({"hash_columns": {"cases": [".a"]}, "hash_key": KEY}, "hash_columns has an invalid path"),
        ({"hash_columns": {"cases": ["a"]}}, "TARGET_SCOUT_POSTGRES_HASH_KEY"),
        ({"hash_columns": {"cases": ["a"]}, "hash_key": "canary"}, "needs hash_key, a secret of"),
        ({"exclude_columns": ["cases"]}, "exclude_columns must be of type object"),
        ({"exclude_columns": {"cases": "canary"}}, "must be a list of texts"),
        ({"exclude_columns": {"cases": [1]}}, "exclude_columns must be"),
    ],
)
def test_rules_that_cannot_be_applied_are_refused(given, message):
    with pytest.raises(SettingsError, match=message) as raised:
        settings.validate(REQUIRED | given)
    assert "canary" not in str(raised.value)


def test_rules_may_come_from_the_environment_as_json():
    environment = {
        "TARGET_SCOUT_POSTGRES_EXCLUDE_COLUMNS": '{"cases": ["properties.phone"]}',
        "TARGET_SCOUT_POSTGRES_HASH_COLUMNS": '{"f*": ["**.name"]}',
        "TARGET_SCOUT_POSTGRES_HASH_KEY": KEY,
    }
    found = settings.validate(REQUIRED | settings.read(["ENV"], environment))

    assert found.exclude_columns == {"cases": ["properties.phone"]}
    assert found.hash_columns == {"f*": ["**.name"]}
    assert found.hash_key == KEY
    assert settings.read([], environment)["hash_key"] == KEY


def test_without_hashes_no_key_is_needed():
    check_column_rules({"exclude_columns": {"a": ["b"]}, "hash_columns": {}}, None)
