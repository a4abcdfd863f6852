"""README and plugin definition of each tap match its settings and streams."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import tap_commcare.settings
import tap_commcare_connect.settings
import yaml
from tap_commcare.tap import TapCommCare
from tap_commcare_connect.tap import TapCommCareConnect

ROOT = Path(__file__).parents[2]


class Described:
    """A tap, and what is written about it."""

    def __init__(self, tap: Any, settings: Any, always: set[str]) -> None:
        self.tap, self.module, self.always = tap, settings, always
        self.settings = settings.PROPERTIES.to_dict()["properties"]

    @cached_property
    def readme(self) -> str:
        return (ROOT / self.tap.name / "README.md").read_text()

    @cached_property
    def plugin(self) -> dict[str, Any]:
        return yaml.safe_load((ROOT / self.tap.name / f"{self.tap.name}.yml").read_text())


TAPS = (
    Described(TapCommCare, tap_commcare.settings, {"base_url", "domain"}),
    Described(TapCommCareConnect, tap_commcare_connect.settings, {"base_url"}),
)
# SDK targets bind `version` and `deletedate` in the soft delete of a table, and SQLAlchemy refuses
# both as names of its columns; `_sdc_` is what all targets keep for themselves.
TAKEN = re.compile(r"version|deletedate|_sdc_.*|_scout_.*", re.IGNORECASE)
pytestmark = pytest.mark.parametrize("described", TAPS, ids=lambda described: described.tap.name)


def test_the_readme_has_every_setting_with_its_default_and_meaning(described):
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", described.readme, re.MULTILINE))

    for name, schema in described.settings.items():
        default = schema.get("default")
        assert rows[name].endswith(schema["description"])
        assert default is None or str(default).lower() in rows[name].lower()


def test_the_readme_has_every_stream_with_its_key(described):
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\w, ]+) \|", described.readme, re.MULTILINE))
    keys = {stream.name: ", ".join(stream.key) for stream in described.tap.stream_types}

    assert keys.items() <= rows.items()


def test_the_plugin_definition_has_every_setting_and_marks_secrets(described):
    declared = {setting["name"]: setting for setting in described.plugin["settings"]}

    assert list(declared) == list(described.settings)
    for name, schema in described.settings.items():
        assert declared[name]["label"] == schema["title"]
        assert declared[name]["description"] == schema["description"]
        assert declared[name].get("sensitive", False) == schema.get("secret", False)
        assert declared[name].get("value") == schema.get("default")


def test_the_plugin_definition_has_capabilities_and_logins(described):
    groups = [set(group) for group in described.plugin["settings_group_validation"]]

    assert set(described.plugin["capabilities"]) == {c.value for c in described.tap.capabilities}
    assert groups == [
        {*described.always, *needed} for needed in described.module.AUTH_METHODS.values()
    ]


def test_no_column_has_a_name_that_targets_reserve(described):
    columns = {name for stream in described.tap.stream_types for name in stream.columns}

    assert not [name for name in columns if TAKEN.fullmatch(name)]
