"""Which models are due, and what a build selects: decided without a database."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scout_dbt import build
from scout_dbt.build import BuildPlan
from scout_dbt.dataset import outdated
from scout_dbt.dataset.build_metadata import BuiltModel
from scout_dbt.dataset.introspection import ScopeStats, Snapshot
from scout_dbt.generator import GeneratedModels
from scout_dbt.planning.tables import Model, RecordKind, Table
from scout_dbt.project.custom_models import CustomModels
from scout_dbt.project.model_needs import Skipped

TABLE = Table(name="case_a", record_kind=RecordKind.CASE, scope="a")
MODEL = Model(table=TABLE, sql="select 1", keys=("case_id",))
BUILT = BuiltModel(
    key=TABLE.key,
    name="case_a",
    fingerprint=MODEL.fingerprint,
    watermark=100,
    rows=3,
    definition={},
)


def generated(built=BUILT, stats=ScopeStats(3, 99)):  # noqa: B008 - frozen
    return GeneratedModels(
        models=(MODEL,),
        built={built.key: built} if built else {},
        scopes={RecordKind.CASE: {"a": stats} if stats else {}},
        streams={"cases": "3 99"},
        moment=Snapshot(oldest=200, newest=200),
        source_type="commcare",
    )


@pytest.mark.parametrize(
    ("built", "stats", "is_due"),
    [
        (BUILT, ScopeStats(3, 99), False),
        (None, ScopeStats(3, 99), True),
        (replace(BUILT, fingerprint="other"), ScopeStats(3, 99), True),
        (replace(BUILT, name="case_b"), ScopeStats(3, 99), True),
        (replace(BUILT, watermark=0), ScopeStats(3, 99), True),
        (BUILT, ScopeStats(2, 99), True),
        (BUILT, ScopeStats(3, 100), True),
        (replace(BUILT, rows=0), None, False),
        (BUILT, None, True),
    ],
    ids=[
        *("unchanged", "new", "other SQL", "other name", "without watermark"),
        *("a record removed", "a record written", "still empty", "emptied"),
    ],
)
def test_a_model_is_due_when_it_or_its_records_changed(built, stats, is_due):
    assert generated(built, stats).is_due(MODEL) == is_due


def plan(**changes):
    nothing = {"due": frozenset(), "changed_streams": frozenset(), "is_project_changed": False}
    nothing |= {"generated": generated()}
    return BuildPlan(schema="s", marks={}, **(nothing | changes))


def test_a_build_is_idle_when_nothing_changed():
    assert plan().is_idle
    for change in ({"due": {"case_a"}}, {"changed_streams": {"cases"}}):
        assert not plan(**change).is_idle
    assert not plan(is_project_changed=True).is_idle


def test_a_changed_project_is_built_without_the_generated_models_that_are_up_to_date():
    assert plan(is_project_changed=True).selection(frozenset()) == ["--exclude", "case_a"]
    everything = plan(is_project_changed=True, due=frozenset({"case_a"}))
    assert everything.selection(frozenset()) == []


def test_changed_data_builds_due_models_models_of_users_and_the_tests_of_its_streams():
    changed = plan(due=frozenset({"case_a"}), changed_streams=frozenset({"cases"}))

    assert changed.selection(frozenset({"mine"})) == [
        *("--select", "case_a", "mine", "stg_*__cases+,resource_type:test"),
        *("--indirect-selection", "eager"),
    ]


def test_tables_of_streams_that_are_no_longer_here_and_of_skipped_models_are_out_of_date():
    gone = replace(BUILT, key="gone", name="form_gone")
    models = replace(generated(), built={TABLE.key: BUILT, "gone": gone})
    skipped = [
        Skipped(name="mine", relation="of_mine", missing=("form_x",)),
        Skipped(name="cases", relation="cases", missing=("form_x",)),
    ]

    found = build._outdated(plan(generated=models), skipped)

    assert set(found) == {"form_gone", "of_mine"}  # a loaded table is never marked
    assert found["of_mine"] == "mine needs form_x, which this dataset does not have"


@pytest.mark.parametrize("was", ["", "Mine.\nOf two lines", "Ends.", "OUT OF DATE, he said"])
def test_a_mark_can_be_taken_off_a_comment_again(was):
    marked = f"{outdated.MARK} since 2026-11-29: a needs b. Really{outdated.END}{was}"

    assert outdated.split(marked) == ("OUT OF DATE since 2026-11-29: a needs b. Really", was)
    assert outdated.split(was) == ("", was)


def test_models_of_users_are_skipped_by_what_the_dataset_and_the_project_have(tmp_path):
    (tmp_path / "models/staging").mkdir(parents=True)
    (tmp_path / "models/staging/ours.sql").write_text("select 1")
    files = {
        "fine.sql": b"select * from {{ ref('case_a') }} join {{ ref('ours') }} using (a)",
        "lost.sql": b"select * from {{ ref('form_b') }}",
        "raw.sql": b"select * from {{ source('commcare', 'cases') }}",
        "list.sql": b"select * from {{ source('commcare', 'users') }}",
    }

    found = plan().skipped(CustomModels(files=files), tmp_path)

    assert {path: each.missing for path, each in found.items()} == {
        "lost.sql": ("form_b",),
        "list.sql": ("commcare.users",),
    }
    assert plan().skipped(CustomModels(), tmp_path / "missing") == {}
