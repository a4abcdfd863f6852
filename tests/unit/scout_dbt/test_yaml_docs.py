"""What the documents of the dbt project say."""

from __future__ import annotations

from pathlib import Path

import yaml
from scout_dbt.project import yaml_docs

MODELS = Path(__file__).parents[3] / "transform/models"


def columns() -> dict[str, set[str]]:
    """Return the columns of hand-written models."""
    files = [yaml.safe_load(file.read_text()) for file in MODELS.rglob("*.yml")]
    return {
        model["name"]: {column["name"] for column in model["columns"]}
        for content in files
        for model in content.get("models", ())
    }


def test_every_reference_is_between_existing_columns():
    known = columns()
    references = yaml_docs.read(MODELS, "commcare").references

    assert len(references) > 30
    for reference in references:
        table, _, _ = reference.target.partition(".")
        assert known[reference.table].issuperset(reference.columns), reference
        assert known[table].issuperset(reference.to_columns), reference
        assert len(reference.columns) == len(reference.to_columns)


def test_cases_forms_owners_visits_and_payment_units_have_references():
    references = yaml_docs.read(MODELS, "commcare").references

    found = {(reference.table, reference.column, reference.target) for reference in references}
    assert found >= {
        ("commcare_case_links", "linked_case_id", "stg_commcare__cases.case_id"),
        ("stg_commcare__cases", "owner_id", "commcare_owners.owner_id"),
        ("stg_commcare__form_cases", "form_id", "stg_commcare__forms.form_id"),
        ("stg_commcare__form_cases", "case_id", "stg_commcare__cases.case_id"),
        ("stg_connect__visits", "username", "stg_connect__users.username"),
        ("stg_connect__visits", "opportunity_id", "stg_connect__opportunities.opportunity_id"),
        (
            *("stg_connect__completed_works", "payment_unit_id"),
            "stg_connect__payment_units.payment_unit_id",
        ),
    }


def test_every_stream_that_is_a_source_is_described():
    of_hq = yaml_docs.read(MODELS, "commcare").streams
    of_connect = yaml_docs.read(MODELS, "connect").streams

    assert {"cases", "forms"} <= set(of_hq) - set(of_connect)
    assert {"visits", "payment_units"} <= set(of_connect) - set(of_hq)
    assert all((*of_hq.values(), *of_connect.values()))
    assert of_hq["users"] == "One row per mobile worker."
    assert of_connect["users"] == "One row per worker of an opportunity."


def test_columns_of_streams_are_described_by_the_model_that_renames_them():
    columns = yaml_docs.read(MODELS, "commcare").columns

    assert columns["forms"]["time_start"] == "When the form was opened, by the device's clock."
    assert columns["form_questions"]["constraint"]
    assert columns["cases"]["case_id"] == "Id of the case."
    assert columns["cases"]["opened_by"].startswith("User who opened the case")
    assert columns["locations"]["latitude"] == "Degrees north."
    assert set(columns) == {
        path.stem.removeprefix("stg_commcare__") for path in MODELS.rglob("stg_commcare__*.sql")
    }
    assert "cases" not in yaml_docs.read(MODELS, "connect").columns
