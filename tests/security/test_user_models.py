"""Models of users are built for their owners only, and a broken one does not affect others.

Through control: two projects, each with its own models besides the operator's. What a model
tries beyond its dataset schema is refused by Postgres, for it runs as the role of the dataset.
"""

from __future__ import annotations

import pytest
from scout_control.rules.naming import writer_role
from support.hostile_taps import installed

TABLES = (
    "SELECT relname FROM pg_class WHERE relnamespace = '{}'::regnamespace AND relkind IN ('r', 'v')"
)
TABLE = "{{ config(materialized='table') }}"
OTHERS = "data_of_others"
# What a model tries, and how it is refused.
HOSTILE = {
    "hook": "{{ config(pre_hook='create table " + OTHERS + ".mine (a int)') }} select 1 as one",
    "posted": "{{ config(post_hook='drop table scout_control.runs') }} select 1 as one",
    "reading": f"select * from {OTHERS}.salaries",
    "program": "{{ config(pre_hook=\"copy (select 1) to program 'cat'\") }} select 1 as one",
    "file": "{{ config(pre_hook=\"copy (select 1) to '/tmp/stolen'\") }} select 1 as one",
    "query": "{{ run_query('select * from scout_control.credentials') }} select 1 as one",
    "role": "{{ config(pre_hook='set role postgres') }} select 1 as one",
}
# Elsewhere than it is allowed: it is built in the dataset schema whatever it asks for.
ELSEWHERE = (
    "{{ config(materialized='table', schema='" + OTHERS + "', alias='%s') }} select 1 as one"
)
BROKEN = {
    "latin.sql": "select 'é'".encode("latin-1"),
    "deep.sql": b"{{ " + b"(" * 3000 + b"1" + b")" * 3000 + b" }}",
    "mine.sql": b"select 3 as three",
    "same.sql": b"{{ config(alias='mine') }} select 4 as four",
    "away.yml": b"models:\n- name: mine\n  config: {enabled: false}\n",
    "snap.yml": b"snapshots:\n- name: snap\n  relation: ref('mine')\n",
    "round.sql": b"select * from {{ ref('around') }}",
    "around.sql": b"select * from {{ ref('round') }}",
}


@pytest.fixture(scope="module")
def installation(postgres, tmp_path_factory):
    with installed(postgres, tmp_path_factory.mktemp("models")) as made:
        yield made


@pytest.fixture(scope="module")
def built(installation):
    """The contents of the dataset schemas of both projects, and the results of both runs."""
    custom = installation.settings.project_root / "transform/models/custom"
    for place, names in (("", ["mine"]), ("river", ["rivers"]), ("hill", ["hills"])):
        (custom / place).mkdir(exist_ok=True)
        for name in names:
            code = f"{TABLE} select count(*) as n from pg_catalog.pg_tables"
            (custom / place / f"{name}.sql").write_text(code)
    for name, content in BROKEN.items():
        (custom / "river" / name).write_bytes(content)
    for name, code in HOSTILE.items():
        (custom / "hill" / f"hostile_{name}.sql").write_text(code)
    (custom / "hill/elsewhere.sql").write_text(ELSEWHERE % "elsewhere")
    (custom / "hill/stolen.sql").symlink_to(custom / "river/rivers.sql")
    installation.ask(
        f"CREATE SCHEMA {OTHERS}; CREATE TABLE {OTHERS}.salaries AS SELECT 'canary' AS name; "
        f"REVOKE ALL ON SCHEMA {OTHERS} FROM PUBLIC; SELECT 1"
    )
    found = {}
    for project in ("river", "hill"):
        dataset = installation.dataset(project)
        run = installation.scout.run(dataset.path)
        tables = {name for (name,) in installation.ask(TABLES.format(dataset.schema))}
        found[project] = (dataset, run, tables)
    return found


@pytest.mark.parametrize(
    ("project", "its_own", "others"), [("river", "rivers", "hills"), ("hill", "hills", "rivers")]
)
def test_a_project_gets_its_own_models_and_the_operators(built, project, its_own, others):
    _, run, tables = built[project]

    assert run.status == "completed"
    assert {"mine", its_own} <= tables
    assert others not in tables


def test_files_that_cannot_be_read_are_refused_and_the_others_are_not(built):
    _, run, tables = built["river"]

    for name in BROKEN:
        assert f"model {name.rpartition('.')[0]}" in run.transform_error
    assert "UTF-8" in run.transform_error
    assert {"latin", "deep", "same", "round", "around", "snap"}.isdisjoint(tables)
    assert "mine" in tables


def test_what_a_model_does_is_done_as_the_role_of_its_dataset(built, installation):
    dataset, run, tables = built["hill"]

    for name in HOSTILE:
        assert f"model hostile_{name}: " in run.transform_error
    assert "canary" not in run.transform_error
    assert "stolen" in run.transform_error
    assert {"elsewhere", "hills"} <= tables
    owners = {
        owner
        for (owner,) in installation.ask(
            f"SELECT tableowner FROM pg_tables WHERE schemaname = '{dataset.schema}'"
        )
    }
    assert owners == {writer_role(dataset.schema)}
    assert installation.ask(
        f"SELECT relname FROM pg_class JOIN pg_namespace AS n "
        f"ON n.oid = relnamespace WHERE nspname = '{OTHERS}'"
    ) == [("salaries",)]
    assert installation.scout.runs.list()


def test_what_dbt_writes_stays_in_its_folder(built, installation):
    folder = installation.settings.project_root / "transform"
    written = {path.name for path in folder.rglob("*") if path.is_file()}

    assert not written & {"manifest.json", "partial_parse.msgpack", "dbt.log", "rivers"}
    assert not [path for path in (folder / "models").rglob("*") if path.suffix == ".json"]
