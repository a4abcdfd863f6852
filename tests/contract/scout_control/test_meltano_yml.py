"""meltano.yml agrees with what the plugins declare, and contains no secret, since it is a file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
PLUGINS = yaml.safe_load((ROOT / "meltano.yml").read_text())["plugins"]
DECLARED = {each["name"]: each for kind in ("extractors", "loaders") for each in PLUGINS[kind]}
OF_THE_SDK = {"stream_maps", "stream_map_config", "faker_config"}


def about(program: str) -> dict:
    command = [Path(sys.executable).with_name(program), "--about", "--format=json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["settings"]["properties"]


@pytest.mark.parametrize("program", DECLARED)
def test_every_setting_but_the_secrets_is_declared(program):
    known = about(program)
    secrets = {name for name, facts in known.items() if facts.get("secret")}
    declared = {setting["name"] for setting in DECLARED[program]["settings"]}
    ours = {name for name in known if name not in OF_THE_SDK and not name.startswith("flattening_")}

    assert secrets
    assert declared & secrets == set()
    assert declared == ours - secrets


def test_the_head_of_the_file_names_every_secret():
    head = (ROOT / "meltano.yml").read_text().partition("project_id")[0]

    for program in DECLARED:
        prefix = program.upper().replace("-", "_")
        for name, facts in about(program).items():
            if facts.get("secret"):
                assert f"{prefix}_{name.upper()}" in head


def test_the_state_of_a_run_belongs_to_its_schema_in_every_environment():
    document = yaml.safe_load((ROOT / "meltano.yml").read_text())
    (schema,) = (
        setting["value"]
        for setting in DECLARED["target-scout-postgres"]["settings"]
        if setting["name"] == "default_target_schema"
    )

    for each in document["environments"]:
        assert schema in each["state_id_suffix"]
        assert "$TARGET_SCOUT_POSTGRES_DEFAULT_TARGET_SCHEMA" in each["state_id_suffix"]


def test_meltano_itself_finds_nothing_wrong_or_deprecated(tmp_path):
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "MELTANO_SYS_DIR_ROOT": str(tmp_path / "meltano"),
    }
    command = [Path(sys.executable).with_name("meltano"), "schedule", "list", "--format=json"]

    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )

    assert json.loads(done.stdout)["schedules"]["job"][0]["name"] == "commcare-daily"
    assert "deprecat" not in done.stderr.lower()


@pytest.mark.parametrize("program", ["tap-commcare", "tap-commcare-connect"])
def test_every_stream_of_our_taps_is_declared(program, tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"domain": "any", "access_token": "any"}))
    command = [Path(sys.executable).with_name(program), "--config", config, "--discover"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = {stream["tap_stream_id"] for stream in json.loads(done.stdout)["streams"]}
    told = DECLARED[program]["annotations"]["scout"]

    assert found == set(told["streams"])
    assert found >= set(told["metadata_streams"])
