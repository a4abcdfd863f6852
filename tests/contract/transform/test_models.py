"""The models fit the tables that the target makes of the tap's schemas."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from scout_dbt.project import yaml_docs

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


def only_cases(streams: list[dict]) -> list[dict]:
    """Return the stream of cases: tests that need no other stream are faster without them."""
    return [each for each in streams if each["stream"] == "cases"]


def test_models_build_on_empty_tables_and_pass_their_unit_tests(streams, world):
    world.load_nothing(streams)

    done = world.build()

    assert done.returncode == 0, done.stdout
    assert "WARN=0 ERROR=0 SKIP=0" in done.stdout
    assert world.views == sorted(
        path.stem for path in [*STAGING.glob("*.sql"), *RELATIONS.glob("*.sql")]
    )


def test_files_of_users_that_dbt_cannot_read_are_named_and_keep_no_other_model_from_being_built(
    streams, world
):
    world.load_nothing(only_cases(streams))
    custom = world.project / "models/custom"
    (custom / "broken.sql").write_text("select {{ nothing( from x")
    (custom / "lost.sql").write_text("select * from {{ ref('no_such_model') }}")
    (custom / "notes.yml").write_text("models: [: :")
    for name, alias in (("cases", "cases"), ("sly", "_scout_loads")):
        config = f"config(materialized='table', alias='{alias}')"
        (custom / f"{name}.sql").write_text(f"{{{{ {config} }}}} select 1 as one")
    (custom / "fine.sql").write_text("select count(*) as n from {{ ref('stg_commcare__cases') }}")

    done = world.build("--exclude-resource-type", "unit_test")

    assert done.returncode == 1
    assert "Reason of model broken: " in done.stdout
    assert "Skipped 1 model: lost needs no_such_model, which this dataset" in done.stdout
    assert "Reason of model lost" not in done.stdout
    assert "Failure in model notes (models/custom/notes.yml)" in done.stdout
    for name in ("cases", "sly"):
        assert f"Reason of model {name}: {name}.sql: a model cannot be called " in done.stdout
    assert world.ask("SELECT count(case_id) FROM cases") == [(0,)]
    assert "Encountered an error" not in done.stdout
    assert world.ask("SELECT n FROM fine") == [(0,)]
    assert {"stg_commcare__cases", "commcare_case_links"} <= set(world.views)


def test_an_interrupted_build_cancels_its_queries_and_says_so_in_one_line(streams, world):
    world.load_nothing(only_cases(streams))
    sleepy = "{{ config(materialized='table') }} select pg_sleep(600)::text as x"
    (world.project / "models/custom/sleepy.sql").write_text(sleepy)
    running = (
        "SELECT count(*)::int FROM pg_stat_activity WHERE query ~ 'pg_sleep[(]600[)]'"
        " AND state = 'active' AND pid <> pg_backend_pid()"
    )
    with subprocess.Popen(
        [PROGRAMS / "scout-dbt", "build", "--exclude-resource-type", "unit_test"],
        env=world.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as child:
        while child.poll() is None and world.ask(running) == [(0,)]:
            time.sleep(0.2)
        child.terminate()
        said, _ = child.communicate(timeout=200)

    assert child.returncode == 143
    assert said.splitlines()[-1].startswith("Interrupted: ")
    assert "Traceback" not in said
    assert world.ask(running) == [(0,)]


def test_every_source_is_a_stream_of_the_tap_and_has_a_staging_model(streams):
    content = yaml.safe_load((STAGING / "_commcare__sources.yml").read_text())
    sources = {table["name"] for table in content["sources"][0]["tables"]}
    models = {path.stem.removeprefix("stg_commcare__") for path in STAGING.glob("*.sql")}

    assert sources <= {stream["stream"] for stream in streams}
    assert sources == models


# Columns that some servers have: a staging model that names them would fail where they are not.
ONLY_LOADED = {
    *("is_deprecated", "opened_by", "closed_by", "user_id", "server_date_opened", "xform_ids"),
    *("form_type", "form_version", "ui_version", "submit_ip", "problem", "edited_by_user_id"),
    *("is_phone_submission", "initial_processing_complete"),
}


def test_every_column_of_a_stream_is_in_its_staging_model_or_renamed_there(streams):
    models = yaml.safe_load((STAGING / "_commcare__models.yml").read_text())["models"]
    columns = {model["name"]: len(model["columns"]) for model in models}

    for stream in streams:
        if (name := f"stg_commcare__{stream['stream']}") in columns:
            assert columns[name] >= len(stream["schema"]["properties"].keys() - ONLY_LOADED), name


def test_every_column_of_a_stream_is_described(streams):
    described = yaml_docs.read(ROOT / "transform/models", "commcare").columns

    for stream in streams:
        if stream["stream"] in described:
            missing = stream["schema"]["properties"].keys() - described[stream["stream"]].keys()
            assert not missing, stream["stream"]


def test_a_broken_url_ends_with_one_line_that_does_not_show_it(world):
    world.environment["TARGET_SCOUT_POSTGRES_DATABASE_URL"] = "hunter2 is no url"

    done = world.build()

    assert done.returncode == 2
    assert done.stderr.startswith("Error: TARGET_SCOUT_POSTGRES_DATABASE_URL is not a Postgres URL")
    assert "hunter2" not in done.stdout + done.stderr
