"""``scout describe``, ``scout models generate``, ``scout docs``, and what runs report of models."""

from __future__ import annotations

import json
import logging
import os
import shutil
from pathlib import Path

import pytest
from commcare_sandbox import Sandbox
from scout_control.api import models
from scout_control.errors import RunFailedError
from scout_control.installation import embedded_postgres
from scout_control.installation.encryption import generate
from scout_control.installation.settings import Settings
from support.preloaded import run_scout

from scout_control import Scout

ROOT = Path(__file__).parents[3]
DATASET = "river/hq"
STREAMS = ["cases", "forms", "form_definitions", "form_questions"]
CUSTOM = {
    "wrong.sql": "select no_such_column from {{ ref('stg_commcare__cases') }}",
    "unread.sql": "select {{ nothing( from x",
    "lacking.sql": "select * from {{ ref('form_of_others') }}",
    "later.sql": "select * from {{ ref('lacking') }}",
    "good.sql": "select count(*) as n from {{ ref('case_household') }}",
    "uncompiled.sql": (
        "{% if execute %}{{ exceptions.raise_compiler_error('not yet') }}{% endif %} select 1"
    ),
}

SKIPPED = (
    "Skipped 2 models: lacking needs form_of_others, which this dataset does not have; "
    "later needs lacking, which is skipped."
)


@pytest.fixture(scope="module")
def settings(control_postgres, tmp_path_factory) -> Settings:
    """An installation without a checkout: its project has a meltano.yml and models of users."""
    project = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "meltano.yml", project)
    custom = project / "transform/models/custom"
    custom.mkdir(parents=True)
    for name, text in CUSTOM.items():
        (custom / name).write_text(text)
    return Settings(
        project_root=project,
        home=tmp_path_factory.mktemp("home"),
        database_url=embedded_postgres.create_database(control_postgres, "models_by_command"),
        encryption_keys=generate(),
    )


@pytest.fixture(scope="module")
def scout(settings):
    """Run the command as a program on a loaded dataset; return its exit code and output."""
    environment = os.environ | {
        "SCOUT_DATABASE_URL": settings.database_url,
        "SCOUT_ENCRYPTION_KEYS": settings.encryption_keys,
        "SCOUT_HOME": str(settings.home),
        "SCOUT_PROJECT_ROOT": str(settings.project_root),
    }

    def run(*words):
        done = run_scout([*map(str, words), "--json"], environment)
        assert "Traceback" not in done.stderr
        return done.returncode, json.loads(done.stdout)

    with Sandbox(cases=80, forms=30) as sandbox, Scout(settings) as scout:
        scout.init()
        scout.projects.create("river")
        address = {"base_url": sandbox.url, "domain": sandbox.domain}
        scout.sources.add("hq", "commcare", config=address)
        scout.sources.link("river", "hq", mode="project", config={"datasets": STREAMS})
        fields = {"username": sandbox.username, "api_key": sandbox.api_key}
        scout.credentials.save("hq", "api_key", fields, project="river")
        scout.datasets.ensure("river", "hq")
        assert run("describe", DATASET)[0] == 3
        run.first = run("run", DATASET)
        yield run


def test_models_that_fail_or_cannot_be_read_are_named_with_reasons_and_the_run_is_completed(scout):
    code, answer = scout.first

    assert (code, answer["status"]) == (1, "completed")
    uncompiled, wrong, unread = answer["transform_error"].split(", ", 2)
    assert uncompiled == "model uncompiled: not yet"
    assert wrong == 'model wrong: column "no_such_column" does not exist'
    assert unread.startswith("model unread: ")
    assert "lacking" not in answer["transform_error"]
    assert answer["result"]["skipped_models"] == SKIPPED


def test_describe_says_what_every_table_and_column_is(scout):
    code, answer = scout("describe", DATASET)

    assert code == 0
    tables = {each["table"]: each for each in answer["tables"]}
    visit = tables["form_mothers_delivery"]
    assert (visit["kind"], visit["rows"] > 0) == ("model", True)
    assert visit["updated_at"]
    columns = {each["name"]: each for each in visit["columns"]}
    assert columns["form_id"]["is_key"]
    assert columns["how_many"]["type"] == "bigint"
    assert "question /data/how_many" in columns["how_many"]["description"]
    assert {"cases", "stg_commcare__cases", "case_household"} <= set(tables)
    assert tables["good"]["rows"] == 1
    code, answer = scout("describe", DATASET, "case_householdd")
    assert (code, answer["success"]) == (3, False)
    assert "has no table case_householdd" in str(answer)
    assert "Did you mean case_household?" in str(answer)
    _, listed = scout("models", "list", DATASET)
    assert listed == scout("describe", DATASET)[1]
    _, shown = scout("models", "show", DATASET, "case_household")
    assert [each["table"] for each in shown["tables"]] == ["case_household"]


def test_generate_writes_a_package_of_dbt_and_nothing_into_the_project(scout, tmp_path, settings):
    code, answer = scout("models", "generate", "--dataset", DATASET, "--out", tmp_path)

    assert code == 0
    written = {file.stem for file in (tmp_path / "scout_generated/models").glob("*.sql")}
    assert written == set(answer["models"])
    assert {"case_pregnancy", "form_mothers_visit"} <= written
    assert not list(settings.project_root.rglob("case_*.sql"))


def test_docs_are_one_page_of_all_models_that_can_be_compiled_and_name_the_others(
    scout, settings, tmp_path, caplog
):
    (settings.project_root / "transform/models/custom/unread.sql").unlink()

    with Scout(settings) as opened, caplog.at_level(logging.WARNING):
        page = opened.models.document(DATASET, tmp_path / "page.html").read_text(encoding="utf-8")
        dataset = opened.datasets.show(DATASET)

    assert f"<h1>{dataset.alias}</h1>" in page
    assert f"<pre>set search_path to {dataset.alias}, {dataset.schema};</pre>" in page
    warnings = [each.getMessage() for each in caplog.records if each.name == models.__name__]
    assert warnings == [f"left_out_of_docs {SKIPPED}", "left_out_of_docs model uncompiled: not yet"]
    for name in ("case_pregnancy", "stg_commcare__cases", "good"):
        assert f"<h2>{name}</h2>" in page
    assert "uncompiled" not in page


def test_documentation_that_takes_too_long_is_ended(scout, settings, tmp_path, monkeypatch):
    monkeypatch.setattr(models, "LONGEST_DOCUMENTING_SECONDS", 0.5)

    with Scout(settings) as opened, pytest.raises(RunFailedError) as failed:
        opened.models.document(DATASET, tmp_path / "page.html")

    assert "did not finish" in failed.value.cause
    assert not (tmp_path / "page.html").exists()
