"""The command: which runs start the engine at once, which go through the SDK, and how they end."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from singer_sdk.helpers.capabilities import FLATTENING_CONFIG, STREAM_MAPS_CONFIG
from target_scout_postgres import cli, runner, settings
from target_scout_postgres import target as sdk
from target_scout_postgres.errors import DatabaseError, SettingsError

CONFIG = {"database_url": "postgresql://u:s3cret@localhost/x", "default_target_schema": "s"}


@pytest.fixture
def started(monkeypatch) -> list[str]:
    """The ways in which runs started, instead of starting them."""
    found: list[str] = []
    monkeypatch.setattr(runner, "run_target", lambda *_: found.append("engine") or 3)
    monkeypatch.setattr(sdk, "command", lambda _: found.append("SDK") or 4)
    for name in [*settings.FIELDS, *settings.SDK_SETTINGS]:
        monkeypatch.delenv(settings.PREFIX + name.upper(), raising=False)
    return found


def written(folder: Path, **more: Any) -> str:
    path = folder / "config.json"
    path.write_text(json.dumps(CONFIG | more))
    return str(path)


@pytest.mark.parametrize("form", ["two words", "one word", "environment"])
def test_a_plain_run_starts_the_engine_at_once(started, tmp_path, monkeypatch, form):
    path = written(tmp_path)
    for name, value in CONFIG.items():
        monkeypatch.setenv(settings.PREFIX + name.upper(), value)
    arguments = {
        "two words": ["--config", path],
        "one word": [f"--config={path}"],
        "environment": ["--config", "ENV"],
    }[form]

    assert cli.run(arguments) == 3
    assert started == ["engine"]


@pytest.mark.parametrize(
    "arguments",
    [["--about"], ["--help"], ["--version"], ["--input", "file"], ["--config"], ["extra"]],
    ids=str,
)
def test_everything_else_goes_through_the_sdk(started, arguments):
    assert cli.run(arguments) == 4
    assert started == ["SDK"]


@pytest.mark.parametrize("name", settings.SDK_SETTINGS)
@pytest.mark.parametrize("place", ["file", "environment"])
def test_a_setting_that_only_the_sdk_implements_leads_to_it(
    started, tmp_path, monkeypatch, name, place
):
    value: Any = {"a": {}} if name.endswith(("maps", "config")) else True
    if place == "file":
        arguments = ["--config", written(tmp_path, **{name: value})]
    else:
        monkeypatch.setenv(settings.PREFIX + name.upper(), json.dumps(value))
        arguments = ["--config", written(tmp_path), "--config", "ENV"]

    assert cli.run(arguments) == 4
    assert started == ["SDK"]


@pytest.mark.parametrize("value", [None, {}, False, 0, ""], ids=str)
def test_one_that_is_switched_off_does_not(started, tmp_path, value):
    assert cli.run(["--config", written(tmp_path, stream_maps=value)]) == 3


@pytest.mark.parametrize("name", ["batch_config", "validate_records", "unknown"])
def test_a_setting_without_effect_does_not(started, tmp_path, name):
    assert cli.run(["--config", written(tmp_path, **{name: {"a": 1}})]) == 3


def test_the_sdk_shows_exactly_its_settings_beside_the_own_ones():
    schema: dict[str, Any] = {
        "properties": dict(sdk.TargetScoutPostgres.config_jsonschema["properties"])
    }
    sdk.TargetScoutPostgres.append_builtin_config(schema)

    assert set(schema["properties"]) == {*settings.FIELDS, *settings.SDK_SETTINGS}


def test_the_list_has_all_settings_of_stream_maps_and_flattening():
    of_the_sdk = (*STREAM_MAPS_CONFIG["properties"], *FLATTENING_CONFIG["properties"])

    assert set(settings.SDK_SETTINGS) == set(of_the_sdk)


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"port": "s3cret"}, "The setting port must be of type integer"),
        ({"load_method": "s3cret"}, "The setting load_method must be one of"),
        ({"default_target_schema": None}, "The setting default_target_schema is missing"),
        ({"default_target_schema": "pg_x"}, "The setting default_target_schema is invalid"),
        ({"sslrootcert": "/missing/s3cret"}, "The setting sslrootcert names a file that does not"),
        ({"database_url": None}, "The setting database_url is missing"),
        ({"keyless_overrides": {"s": "s3cret"}}, "Each value of the setting keyless_overrides"),
        ({"batch_size_bytes": 0}, "The setting batch_size_bytes must be of type integer from 1"),
    ],
    ids=str,
)
def test_a_wrong_setting_is_exit_code_2_and_is_not_quoted(started, tmp_path, capsys, more, text):
    assert cli.run(["--config", written(tmp_path, **more)]) == SettingsError.exit_code == 2
    shown = capsys.readouterr().err

    assert text in shown
    assert "s3cret" not in shown
    assert started == []


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "cannot be read: No such file"),
        (b"", "is not JSON"),
        (b"[]", "does not hold a JSON object"),
        (b'{"a":"\xff"}', "is not JSON"),
        (b"[" * 100_000, "is nested too deeply"),
    ],
    ids=["missing", "empty", "list", "not UTF-8", "deep"],
)
def test_a_configuration_file_that_cannot_be_read_is_named(
    started, tmp_path, capsys, content, text
):
    path = tmp_path / "config.json"
    if content is not None:
        path.write_bytes(content)

    assert cli.run(["--config", str(path)]) == 2
    assert f"{path} {text}" in capsys.readouterr().err


def test_a_failure_of_the_run_is_its_exit_code_and_one_line(started, tmp_path, capsys, monkeypatch):
    def fail(*_: object) -> int:
        raise DatabaseError("Postgres does not answer.")

    monkeypatch.setattr(runner, "run_target", fail)

    assert cli.run(["--config", written(tmp_path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_an_internal_error_is_told_by_its_place_without_its_text():
    def fail() -> None:
        raise KeyError("a value of a record")

    try:
        fail()
    except KeyError as error:
        text = cli._describe_bug(error)
    assert f"KeyError in fail ({__file__}:" in text
    assert "value of a record" not in text


@pytest.mark.parametrize(("level", "is_kept"), [("debug", True), ("INFO", True), ("loud", False)])
def test_an_unknown_log_level_does_not_stop_the_sdk(started, monkeypatch, level, is_kept):
    monkeypatch.setenv("TARGET_SCOUT_POSTGRES_LOGLEVEL", level)
    cli.run(["--about"])

    assert ("TARGET_SCOUT_POSTGRES_LOGLEVEL" in os.environ) is is_kept
