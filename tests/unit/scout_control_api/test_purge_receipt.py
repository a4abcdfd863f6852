"""The receipt of a purge: what it says, what it leaves out, and which receipts are accepted."""

from __future__ import annotations

import copy
import json

import pytest
from scout_control.api import purge
from scout_control.datasets.purge.leftovers import SearchResult
from scout_control.datasets.purge.owner_data import SearchTerms
from scout_control.errors import SettingsError

TERMS = SearchTerms(
    kind="user",
    id="ann@example.org",
    schemas=("data_ann_hq_1",),
    datasets=("6f1c2d3e-0a1b-4c5d-8e9f-001122334455",),
    comments=("scout 0123",),
)
NOTHING = SearchResult(where="files of this machine", found=0)
OUTCOME = {"removed": {"datasets": 1}, "not_removed": [], "notes": []}


def a_receipt(*searched, with_id=True, terms=TERMS, **outcome):
    found = purge._receipt(terms, [*searched], OUTCOME | outcome, with_id=with_id)
    return json.loads(json.dumps(found))  # as it comes back from a file


@pytest.mark.parametrize("with_id", [True, False])
def test_the_terms_of_a_receipt_find_the_same_again(with_id):
    receipt = a_receipt(NOTHING, with_id=with_id)

    assert ("ann@example.org" in json.dumps(receipt)) == with_id
    assert purge._names(receipt, TERMS.id) == TERMS
    assert purge._names(receipt, None).id == (TERMS.id if with_id else None)
    assert purge._names(receipt, None).schemas == TERMS.schemas


@pytest.mark.parametrize(
    ("searched", "not_removed", "is_complete", "left"),
    [
        ([], [], True, 0),
        ([NOTHING], [], True, 0),
        ([SearchResult(where="files", found=1)], [], False, 1),
        ([NOTHING, SearchResult(where="db", found=0, problem="not read")], [], False, 1),
        ([NOTHING], [{"what": "data", "why": "It is locked."}], False, 0),
    ],
    ids=["nothing searched", "nothing found", "found", "not searched", "not removed"],
)
def test_a_purge_is_complete_only_if_all_was_removed_and_searched(
    searched, not_removed, is_complete, left
):
    receipt = a_receipt(*searched, not_removed=not_removed)

    assert receipt["is_complete"] is is_complete
    assert len(receipt["left"]) == left
    assert len(receipt["looked_at"]) == len(searched)


def changed(receipt, *path, value):
    edited = copy.deepcopy(receipt)
    place = edited
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return edited


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("is_complete",), False),
        (("left",), [{"where": "files", "found": 1}]),
        (("owner", "id"), "bob"),
        (("removed", "datasets"), 2),
        (("beyond_reach",), []),
        (("added",), None),
    ],
)
def test_a_receipt_that_was_edited_is_recognised(path, value):
    receipt = a_receipt(NOTHING)

    assert receipt["hash"] == purge._hash(receipt)
    edited = changed(receipt, *path, value=value)
    assert edited["hash"] != purge._hash(edited)


def test_the_hash_depends_on_no_order_of_keys():
    receipt = a_receipt(NOTHING)

    assert purge._hash(dict(reversed(receipt.items()))) == receipt["hash"]


@pytest.mark.parametrize(
    "receipt",
    [
        {},
        [],
        None,
        "receipt",
        7,
        {"owner": {}, "looked_for": {}},
        {"owner": None, "looked_for": None},
        {"owner": [], "looked_for": []},
    ],
)
def test_another_document_is_no_receipt(receipt):
    with pytest.raises(SettingsError, match="not a receipt of scout purge"):
        purge._names(receipt, None)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("owner", "kind"), "role"),
        (("owner", "kind"), ["user"]),
        (("owner", "id"), 7),
        (("owner", "id"), ["ann"]),
        (("looked_for", "schemas"), "data_ann_hq_1"),
        (("looked_for", "schemas"), None),
        (("looked_for", "datasets"), [7]),
        (("looked_for", "comments"), [["scout"]]),
        (("looked_for", "comments"), {"scout": 1}),
    ],
)
def test_a_receipt_with_other_values_is_rejected_before_anything_is_searched(path, value):
    with pytest.raises(SettingsError, match="not a receipt of scout purge"):
        purge._names(changed(a_receipt(NOTHING), *path, value=value), None)


@pytest.mark.parametrize("with_id", [True, False])
@pytest.mark.parametrize("owner_id", ["bob@example.org", "ann@example.or", "ANN@example.org"])
def test_the_receipt_of_another_owner_is_refused_without_naming_them(owner_id, with_id):
    with pytest.raises(SettingsError, match="belongs to another owner") as refused:
        purge._names(a_receipt(NOTHING, with_id=with_id), owner_id)

    assert "ann" not in str(refused.value)


def test_a_project_with_the_id_of_a_user_has_another_receipt():
    receipt = changed(a_receipt(NOTHING, with_id=False), "owner", "kind", value="project")

    with pytest.raises(SettingsError, match="belongs to another owner"):
        purge._names(receipt, TERMS.id)


@pytest.mark.parametrize(("actor", "by"), [("ann@example.org", "the user"), ("root", "root")])
def test_a_user_who_erases_themselves_is_not_named(monkeypatch, actor, by):
    monkeypatch.setenv("SCOUT_ACTOR", actor)
    receipt = a_receipt(NOTHING, with_id=False)

    assert receipt["by"] == by
    assert "ann@example.org" not in json.dumps(receipt)
