"""The plugin definitions declare what the plugins' own settings and streams are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tap_commcare.tap import TapCommCare
from tap_commcare_connect.tap import TapCommCareConnect
from target_scout_postgres import settings as target

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))
from plugin_descriptions import with_descriptions  # noqa: E402 - a script, not a package

TAPS = (TapCommCare, TapCommCareConnect)
PLUGINS: dict[str, dict[str, Any]] = {
    **{tap.name: dict(tap.config_jsonschema["properties"]) for tap in TAPS},
    "target-scout-postgres": target.schema()["properties"],
}


def in_meltano() -> dict[str, dict[str, Any]]:
    """Return the taps and the target in meltano.yml by name."""
    plugins = yaml.safe_load((ROOT / "meltano.yml").read_text())["plugins"]
    return {each["name"]: each for each in (*plugins["extractors"], *plugins["loaders"])}


@pytest.mark.parametrize("plugin", PLUGINS)
def test_meltano_declares_every_setting_but_the_secret_ones(plugin):
    declared = [setting["name"] for setting in in_meltano()[plugin]["settings"]]
    public = [name for name, schema in PLUGINS[plugin].items() if not schema.get("secret")]

    assert sorted(declared) == sorted(public)


@pytest.mark.parametrize("plugin", PLUGINS)
def test_meltano_offers_the_choices_that_a_setting_has(plugin):
    declared = {each["name"]: each for each in in_meltano()[plugin]["settings"]}
    offered = {
        name: sorted(option["value"] for option in each["options"])
        for name, each in declared.items()
        if "options" in each
    }
    possible = {
        name: sorted(schema["enum"])
        for name, schema in PLUGINS[plugin].items()
        if "enum" in schema and declared[name]["kind"] == "options"
    }

    assert offered == possible


@pytest.mark.parametrize("tap", TAPS, ids=lambda tap: tap.name)
def test_meltano_lists_every_stream_of_a_tap(tap):
    scout = in_meltano()[tap.name]["annotations"]["scout"]

    assert sorted(scout["streams"]) == sorted(stream.name for stream in tap.stream_types)
    assert set(scout["metadata_streams"]) <= set(scout["streams"])


SETTINGS = {
    "one": {
        "size": {"description": 'Rows: "many" or \\ few.', "default": 4},
        "mode": {"description": "Où - été.", "default": "on", "enum": ["on", "off"]},
    },
    "two": {"size": {"description": "Bytes."}},
}
DEFINITION = """\
# By hand.
plugins:
  extractors:
    - name: one
      label: One # by hand, too
      settings:
        - {name: size, kind: integer, label: Size, description: "old \\" text"} # why
        - {name: mode, description: "old", options: [{label: On, value: "on"}]}
        - {name: other, description: "stays"}
    - name: foreign
      settings:
        - {name: size, description: "stays"}
        - name: mode
          description: stays
    - name: two
      settings:
        - name: size
          description: >-
            Old text
            of two lines.
          kind: integer

        - {name: mode, value: "x", description: "stays"}
"""
EXPECTED = """\
# By hand.
plugins:
  extractors:
    - name: one
      label: One # by hand, too
      settings:
        - {name: size, kind: integer, label: Size, description: "Rows: \\"many\\" or \\\\ few. Default: 4."} # why
        - {name: mode, description: "Où - été. Default: on.", options: [{label: On, value: "on"}]}
        - {name: other, description: "stays"}
    - name: foreign
      settings:
        - {name: size, description: "stays"}
        - name: mode
          description: stays
    - name: two
      settings:
        - name: size
          description: "Bytes."
          kind: integer

        - {name: mode, value: "x", description: "stays"}
"""  # noqa: E501 - lines of YAML


def test_only_descriptions_of_known_settings_are_written():
    assert with_descriptions(DEFINITION, SETTINGS) == EXPECTED


def test_writing_descriptions_again_changes_nothing():
    assert with_descriptions(EXPECTED, SETTINGS) == EXPECTED


def test_a_description_is_read_back_as_it_is_in_the_settings():
    (one, *_) = yaml.safe_load(EXPECTED)["plugins"]["extractors"]

    assert one["settings"][0]["description"] == 'Rows: "many" or \\ few. Default: 4.'


def test_a_default_is_not_named_where_the_definition_has_a_value():
    line = '- {name: size, value: 5, description: "old"}\n'
    definition = f"name: one\nsettings:\n{line}"

    assert with_descriptions(definition, SETTINGS).endswith(
        'description: "Rows: \\"many\\" or \\\\ few."}\n'
    )
