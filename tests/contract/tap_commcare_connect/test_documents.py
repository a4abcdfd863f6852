"""README and plugin definition say what the tap has."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from tap_commcare_connect.settings import LOGINS, PROPERTIES
from tap_commcare_connect.tap import TapCommCareConnect

FOLDER = Path(__file__).parents[3] / "tap-commcare-connect"
README = (FOLDER / "README.md").read_text()
SETTINGS = PROPERTIES.to_dict()["properties"]
PLUGIN = yaml.safe_load((FOLDER / "tap-commcare-connect.yml").read_text())


def test_the_readme_has_every_setting_with_its_default_and_meaning():
    told = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", README, re.MULTILINE))

    for name, schema in SETTINGS.items():
        default = schema.get("default")
        assert told[name].endswith(schema["description"])
        assert default is None or str(default).lower() in told[name].lower()


def test_the_readme_has_every_stream_with_its_key():
    told = dict(re.findall(r"^\| `(\w+)` \| ([\w, ]+) \|", README, re.MULTILINE))

    assert {
        s.name: ", ".join(s.key) for s in TapCommCareConnect.stream_types
    }.items() <= told.items()


def test_the_plugin_definition_has_every_setting_and_marks_secrets():
    told = {setting["name"]: setting for setting in PLUGIN["settings"]}

    assert list(told) == list(SETTINGS)
    for name, schema in SETTINGS.items():
        assert told[name]["label"] == schema["title"]
        assert told[name]["description"] == schema["description"]
        assert told[name].get("sensitive", False) == schema.get("secret", False)
        assert told[name].get("value") == schema.get("default")


def test_the_plugin_definition_has_capabilities_and_logins():
    assert set(PLUGIN["capabilities"]) == {c.value for c in TapCommCareConnect.capabilities}
    assert [set(group) for group in PLUGIN["settings_group_validation"]] == [
        {"base_url", *needed} for needed in LOGINS.values()
    ]
