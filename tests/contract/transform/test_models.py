"""The models fit the tables that the target makes of the tap's schemas."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
PROGRAMS = Path(sys.executable).parent
STAGING = ROOT / "transform/models/staging/commcare"
RELATIONS = ROOT / "transform/models/relations/commcare"


@pytest.fixture(scope="module")
def streams() -> list[dict]:
    config = {"domain": "d", "username": "u", "api_key": "k"}
    environment = os.environ | {f"TAP_COMMCARE_{k.upper()}": v for k, v in config.items()}
    command = [PROGRAMS / "tap-commcare", "--config", "ENV", "--discover"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["streams"]


@pytest.fixture
def environment(postgres, dataset_schema, tmp_path) -> dict[str, str]:
    return {
        "PATH": f"{PROGRAMS}{os.pathsep}{os.defpath}",
        "HOME": str(tmp_path),
        "TARGET_SCOUT_POSTGRES_DATABASE_URL": postgres,
        "TARGET_SCOUT_POSTGRES_DEFAULT_TARGET_SCHEMA": dataset_schema,
        "DBT_PROJECT_DIR": str(ROOT / "transform"),
        "DBT_PROFILES_DIR": str(ROOT / "transform"),
        "DBT_TARGET_PATH": str(tmp_path / "target"),
        "DBT_LOG_PATH": str(tmp_path / "logs"),
        "DBT_USE_COLORS": "false",
    }


def test_models_build_on_empty_tables_and_pass_their_unit_tests(
    streams, environment, connection, dataset_schema
):
    messages = "\n".join(
        json.dumps(
            {
                "type": "SCHEMA",
                "stream": stream["stream"],
                "schema": stream["schema"],
                "key_properties": stream["key_properties"],
            }
        )
        for stream in streams
    )
    subprocess.run(
        [PROGRAMS / "target-scout-postgres", "--config", "ENV"],
        env=environment,
        input=messages,
        text=True,
        check=True,
    )

    done = subprocess.run(
        [PROGRAMS / "scout-dbt", "build"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert "WARN=0 ERROR=0 SKIP=0" in done.stdout
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT viewname FROM pg_views WHERE schemaname = %s ORDER BY viewname",
            [dataset_schema],
        )
        built = [name for (name,) in cursor.fetchall()]
    expected = [*STAGING.glob("*.sql"), *RELATIONS.glob("*.sql")]
    assert built == sorted(path.stem for path in expected)


def test_every_source_is_a_stream_of_the_tap_and_has_a_staging_model(streams):
    told = yaml.safe_load((STAGING / "_commcare__sources.yml").read_text())
    sources = {table["name"] for table in told["sources"][0]["tables"]}
    models = {path.stem.removeprefix("stg_commcare__") for path in STAGING.glob("*.sql")}

    assert sources <= {stream["stream"] for stream in streams}
    assert sources == models


def test_every_column_of_a_stream_is_in_its_staging_model_or_renamed_there(streams):
    models = yaml.safe_load((STAGING / "_commcare__models.yml").read_text())["models"]
    columns = {model["name"]: len(model["columns"]) for model in models}

    for stream in streams:
        if (name := f"stg_commcare__{stream['stream']}") in columns:
            assert columns[name] >= len(stream["schema"]["properties"]), name


def test_a_broken_url_ends_with_one_line_that_does_not_show_it(environment):
    environment["TARGET_SCOUT_POSTGRES_DATABASE_URL"] = "hunter2 is no url"

    done = subprocess.run(
        [PROGRAMS / "scout-dbt", "build"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert done.stderr.startswith("Error: TARGET_SCOUT_POSTGRES_DATABASE_URL is not a URL")
    assert "hunter2" not in done.stdout + done.stderr
