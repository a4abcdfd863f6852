"""What the README and the plugin definition say of the settings is what the code says."""

from __future__ import annotations

from pathlib import Path

import yaml
from target_scout_postgres import settings

HOME = Path(settings.__file__).parents[1]


def test_the_readme_shows_every_setting_with_its_description():
    text = (HOME / "README.md").read_text()
    for name, part in settings.schema()["properties"].items():
        (line,) = [line for line in text.splitlines() if line.startswith(f"| `{name}` |")]
        assert part["description"] in line


def test_the_plugin_definition_has_every_setting_with_default_and_choices():
    plugin = yaml.safe_load((HOME / "plugin.yml").read_text())
    found = {part["name"]: part for part in plugin["settings"]}
    expected = settings.schema()["properties"]

    assert list(found) == list(expected)
    for name, part in expected.items():
        assert found[name].get("value") == part.get("default")
        assert bool(found[name].get("sensitive")) == bool(part.get("secret"))
        choices = [option["value"] for option in found[name].get("options", ())]
        assert choices == part.get("enum", [])
