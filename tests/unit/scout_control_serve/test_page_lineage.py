"""Which table of a dataset is made of which."""

from __future__ import annotations

from scout_control.serve.page import lineage


def table(name, kind="table"):
    return {"table": name, "kind": kind, "rows": 1, "columns": ()}


TABLES = [
    table("cases"),
    table("case_types"),
    table("case_person", "model"),
    table("case_note"),  # made by someone's own model
    table("form_visit", "model"),
    table("stg_commcare__cases", "view"),
    table("stg_commcare__case_types", "view"),
    table("stg_other__thing", "view"),
    table("commcare_owners", "view"),
]


def test_each_stream_has_its_staging_view_and_its_typed_tables():
    made = lineage.of(TABLES, {"cases": 3, "case_types": 1, "forms": 2})

    lines = {each.stream: each for each in made.lines}
    assert lines["cases"].loaded["table"] == "cases"
    assert lines["cases"].staging["table"] == "stg_commcare__cases"
    assert [each["table"] for each in lines["cases"].typed] == ["case_person"]
    assert lines["case_types"].staging["table"] == "stg_commcare__case_types"
    assert lines["case_types"].typed == ()
    assert lines["forms"].loaded is None
    assert [each["table"] for each in lines["forms"].typed] == ["form_visit"]


def test_what_is_made_of_several_or_of_no_known_stream_is_not_lost():
    made = lineage.of(TABLES, {"cases": 3, "case_types": 1})

    names = [each["table"] for each in made.others]
    assert names == ["case_note", "form_visit", "stg_other__thing", "commcare_owners"]


def test_every_table_is_in_one_group():
    made = lineage.of(TABLES, {"cases": 3, "case_types": 1, "forms": 2})

    groups = lineage.kinds(made)

    assert sorted(each["table"] for _, tables in groups for each in tables) == sorted(
        each["table"] for each in TABLES
    )
    assert groups[0][0] == "Typed tables"
    assert lineage.kinds(lineage.of((), ())) == ()
