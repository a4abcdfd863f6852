"""``scout describe``, ``scout models generate``, ``scout docs``, and what runs say of models."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commcare_sandbox import Sandbox
from scout_control.installation import embedded_postgres
from scout_control.installation.encryption import generate

ROOT = Path(__file__).parents[3]
WORDS = (
    ("init",),
    ("projects", "create", "river"),
    ("sources", "add", "hq", "--type", "commcare", "--base-url", "{url}", "-c", "domain={domain}"),
    ("sources", "link", "hq", "--project", "river", "--mode", "project"),
    (
        *("credentials", "connect", "hq", "--project", "river", "--kind", "api_key"),
        *("--username", "{username}", "--from-env", "KEY"),
    ),
)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project of its own, for models of its own."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "meltano.yml", folder)
    shutil.copytree(ROOT / "transform", folder / "transform")
    return folder


@pytest.fixture(scope="module")
def scout(control_postgres, tmp_path_factory, project):
    """Run the command as a program on a dataset that was loaded once; return code and answer."""
    with Sandbox(cases=80, forms=30) as sandbox:
        environment = os.environ | {
            "SCOUT_DATABASE_URL": embedded_postgres.create_database(
                control_postgres, "models_by_command"
            ),
            "SCOUT_ENCRYPTION_KEYS": generate(),
            "SCOUT_HOME": str(tmp_path_factory.mktemp("home")),
            "SCOUT_PROJECT_ROOT": str(project),
            "KEY": sandbox.api_key,
        }

        def run(*words):
            done = subprocess.run(
                [sys.executable, "-m", "scout_control", *map(str, words), "--json"],
                env=environment,
                capture_output=True,
                text=True,
                timeout=400,
                check=False,
            )
            assert "Traceback" not in done.stderr
            return done.returncode, json.loads(done.stdout)

        facts = {"url": sandbox.url, "domain": sandbox.domain, "username": sandbox.username}
        for words in WORDS:
            code, answer = run(*(word.format(**facts) for word in words))
            assert code == 0, answer
        code, answer = run("describe", "river/hq")
        assert (code, answer["success"]) == (3, False)
        code, answer = run("run", "river/hq")
        assert (code, answer["transform_error"]) == (0, None)
        yield run


def test_describe_says_what_every_table_and_column_is(scout):
    code, answer = scout("describe", "river/hq")

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
    code, answer = scout("describe", "river/hq", "case_householdd")
    assert (code, answer["success"]) == (3, False)
    assert "has no table case_householdd" in str(answer)


def test_generate_writes_a_package_of_dbt_and_nothing_into_the_project(scout, tmp_path, project):
    code, answer = scout("models", "generate", "--dataset", "river/hq", "--out", tmp_path)

    assert code == 0
    written = {file.stem for file in (tmp_path / "scout_generated/models").glob("*.sql")}
    assert written == set(answer["models"])
    assert {"case_pregnancy", "form_mothers_visit"} <= written
    assert not list((project / "transform").rglob("case_*.sql"))


def test_docs_are_one_page(scout, tmp_path):
    code, answer = scout("docs", "river/hq", "--out", tmp_path / "page.html")

    assert code == 0, answer
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "case_pregnancy" in page
    assert "stg_commcare__cases" in page


def test_models_that_fail_or_cannot_be_read_are_named_with_reasons_and_the_run_is_completed(
    scout, project
):
    custom = project / "transform/models/custom"
    (custom / "wrong.sql").write_text("select no_such_column from {{ ref('stg_commcare__cases') }}")
    (custom / "unread.sql").write_text("select * from {{ ref('no_such_model') }}")
    (custom / "good.sql").write_text("select count(*) as n from {{ ref('case_household') }}")

    code, answer = scout("run", "river/hq")

    assert (code, answer["status"]) == (1, "completed")
    wrong, unread = answer["transform_error"].split(", ", 1)
    assert wrong == 'model wrong: column "no_such_column" does not exist'
    assert unread.startswith("model unread: Model 'model.scout.unread' (models/custom/unread.sql)")
    _, answer = scout("describe", "river/hq", "good")
    assert answer["tables"][0]["rows"] == 1
