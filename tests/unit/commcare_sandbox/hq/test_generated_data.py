"""The default data includes every unusual shape, in small numbers."""

from itertools import chain

import pytest
from commcare_sandbox.hq.data.apps import applications
from commcare_sandbox.hq.data.collection import Query
from commcare_sandbox.hq.data.domain import Domain
from commcare_sandbox.hq.data.submission import case_blocks


@pytest.fixture(scope="module")
def domain():
    return Domain("river-health", 1, 1000, 400)


@pytest.fixture(scope="module")
def forms(domain):
    return list(domain.forms.all(Query()))


@pytest.fixture(scope="module")
def cases(domain):
    return list(domain.cases.all(Query()))


def paths(value, above=""):
    if isinstance(value, list):
        for each in value:
            yield from paths(each, above)
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield f"{above}/{name}"
            yield from paths(inner, f"{above}/{name}")


def test_stamps_come_in_three_spellings(cases):
    ends = {(c.indexed_on.endswith("Z"), "." in c.indexed_on) for c in cases}

    assert ends == {(True, True), (True, False), (False, True)}


def test_ids_come_dashed_plain_legacy_short_and_long(cases):
    lengths = {len(c.case_id) for c in cases}

    assert {36, 32, 25, 2, 255} <= lengths


def test_cases_differ_in_null_and_empty_and_in_the_case_of_keys(cases):
    assert {None, ""} <= {c.external_id for c in cases}
    assert any(c.properties == {} for c in cases)
    assert any({"dob", "DOB"} <= c.properties.keys() for c in cases)
    assert any(not key.isascii() for c in cases for key in c.properties)
    assert any("\x00" in value for c in cases for value in c.properties.values())
    assert {"", "1900-01-01"} & {c.last_modified for c in cases}
    assert {"child", "extension"} == {
        link["relationship"] for c in cases for link in c.indices.values()
    }


def test_a_repeat_is_absent_empty_an_object_or_a_list(forms):
    babies = [form["form"].get("babies", ...) for form in forms]

    assert {type(each) for each in babies} == {type(...), str, dict, list}


def test_case_blocks_stand_at_every_depth(forms):
    depths = {
        path.count("/") - 1
        for form in forms
        for path in paths(form["form"])
        if path.endswith("/case")
    }

    assert {0, 1, 2, 3} <= depths
    assert any(isinstance(form["form"].get("case"), list) for form in forms)


def test_parts_of_case_blocks_are_objects_null_or_empty(forms):
    blocks = list(chain.from_iterable(case_blocks(form["form"]) for form in forms))

    assert any(block.get("update", ...) is None for block in blocks)
    assert any(block.get("create", ...) is None for block in blocks)
    assert any(block.get("close") == "" for block in blocks)
    assert any(block.get("@date_modified", ...) is None for block in blocks)
    assert any("case_id" in block for block in blocks)
    assert any(
        "@relationship" not in link for b in blocks for link in (b.get("index") or {}).values()
    )


def test_one_question_is_text_or_an_object(forms):
    notes = {type(form["form"]["note"]) for form in forms if "note" in form["form"]}

    assert notes == {str, dict}


def test_there_is_a_path_of_300_characters_and_a_form_of_2000_questions(forms):
    assert max(len(path) for form in forms for path in paths(form["form"])) >= 300
    assert max(sum(1 for _ in paths(form["form"])) for form in forms) >= 2000


def test_forms_are_edited_archived_late_and_without_meta(forms):
    assert any(form["edited_on"] for form in forms)
    assert any(form["archived"] for form in forms)
    assert any(form["metadata"] is None for form in forms)
    assert any(form["received_on"][:4] < form["indexed_on"][:4] for form in forms)
    assert {None} < {form["app_id"] for form in forms}


def test_a_base_form_touches_cases_that_exist(domain, forms):
    blocks = [b for form in forms for b in case_blocks(form["form"]) if "update" in b]
    known = sum(domain.cases.get(str(b.get("@case_id"))) is not None for b in blocks)

    assert known / len(blocks) > 0.7


def test_applications_have_a_broken_module_shared_forms_and_names_without_english():
    modules = [module for app in applications() for module in app["modules"]]
    asked = [form for module in modules for form in module.get("forms", [])]

    assert any("error" in module for module in modules)
    assert any(module.get("case_type") == "" for module in modules)
    assert len({form["xmlns"] for form in asked}) < len(asked)
    assert any("en" not in form["name"] for form in asked)
