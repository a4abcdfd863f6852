"""What a run is given: settings of source and link, and what a link may not set."""

from __future__ import annotations

import json

import pytest
from scout_control.errors import SettingsError
from scout_control.meltano.project import SourceType
from scout_control.runs import prepare
from scout_control.store.models import Dataset, ProjectSource, Source

TOY = SourceType(
    name="tap-toy",
    label="Toy",
    executable="tap-toy",
    settings=("base_url", "page_size", "key"),
    sensitive=("key",),
)
KNOWN = frozenset({"cases", "forms"})


def a_dataset(of_source=None, of_link=None) -> Dataset:
    source = Source(name="hq", source_type="tap-toy", config=of_source or {})
    link = ProjectSource(project_id="river", source=source, sync_config=of_link or {})
    return Dataset(project_source=link)


def test_the_link_overrides_the_source():
    dataset = a_dataset({"page_size": 100}, {"page_size": 10})
    settings = prepare.source_settings(TOY, dataset)

    assert settings["TAP_TOY_PAGE_SIZE"] == "10"


def test_streams_are_selected_with_all_their_columns():
    settings = prepare.source_settings(TOY, a_dataset({}, {"datasets": ["cases"]}), KNOWN)

    assert json.loads(settings["TAP_TOY__SELECT"]) == ["cases.*"]
    assert "TAP_TOY_DATASETS" not in settings


def test_how_keyless_streams_are_loaded_is_a_setting_of_the_loader():
    usual = prepare.source_settings(TOY, a_dataset())
    chosen = prepare.source_settings(TOY, a_dataset({}, {"keyless_streams": "append"}))

    assert usual["TARGET_SCOUT_POSTGRES_KEYLESS_STREAMS"] == "replace"
    assert chosen["TARGET_SCOUT_POSTGRES_KEYLESS_STREAMS"] == "append"
    assert "TAP_TOY_KEYLESS_STREAMS" not in chosen


def test_columns_that_must_not_arrive_are_settings_of_the_loader():
    rules = {"exclude_columns": {"cases": ["phone"]}}
    settings = prepare.source_settings(TOY, a_dataset(rules, {"hash_columns": {"cases": ["id"]}}))
    prefix = "TARGET_SCOUT_POSTGRES_"

    assert json.loads(settings[f"{prefix}EXCLUDE_COLUMNS"]) == {"cases": ["phone"]}
    assert json.loads(settings[f"{prefix}HASH_COLUMNS"])["cases"] == ["id"]
    assert not any(name.startswith("TAP_TOY_") and "COLUMNS" in name for name in settings)
    assert settings["MELTANO_CLI_LOG_LEVEL"] == "info"
    usual = prepare.source_settings(TOY, a_dataset())
    assert not any("COLUMNS" in name or "LOG_LEVEL" in name for name in usual)


@pytest.mark.parametrize("name", ["base_url", "key", "unknown"])
def test_a_link_sets_no_address_no_secret_and_nothing_that_the_tap_lacks(name):
    with pytest.raises(SettingsError, match=f"sets {name}, but a link may only select"):
        prepare.source_settings(TOY, a_dataset({}, {name: "x"}))


@pytest.mark.parametrize(
    ("of_source", "of_link", "known", "unknown"),
    [
        ({}, {}, KNOWN, None),
        ({}, {"datasets": ["cases"]}, KNOWN, None),
        ({}, {"datasets": ["cases", "nope"]}, KNOWN, "nope"),
        ({"datasets": ["nope"]}, {}, KNOWN, "nope"),
        ({"datasets": ["nope"]}, {"datasets": ["forms"]}, KNOWN, None),
        ({}, {"datasets": ["nope"]}, frozenset(), None),  # the source was not discovered yet
    ],
)
def test_selected_streams_are_those_of_the_source(of_source, of_link, known, unknown):
    error = prepare.unknown_streams(a_dataset(of_source, of_link), known)

    assert (error is not None) == (unknown is not None)
    if unknown:
        assert f"no stream {unknown}; it has cases, forms" in error.cause
