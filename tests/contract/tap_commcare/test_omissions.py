"""Unreadable values, properties without a column and NUL: reported at the end of a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.json_server import json_server

USER = {"id": "u1", "username": "ann", "is_active": True, "resource_uri": ""}
FORM = {
    "id": "f1",
    "indexed_on": "2026-01-02T03:04:05Z",
    "received_on": "31/01/2025 10:00",
    "archived": "perhaps",
    "is_phone_submission": "yes",
    "submit_ip": "192.0.2.1",
    "form": {"@xmlns": "x", "secret": "hush"},
    "brand_new": "hush",
}
NUL = {
    "id": "n\0",
    "indexed_on": "2026-01-02T03:04:05Z",
    "received_on": "2026-01-02T03:04:05Z",
    "problem": "\0",
    "form": {"@xmlns": "x", "na\0me": "Ann\0", "name": "Bo", "group": [{"q\0": {"#text": "\0"}}]},
}
LISTS = {
    "user/v1": [USER, USER | {"id": "u2", "user_data": "text", "shoe_size": 43}],
    "form/v1": [FORM],
    "group/v1": [{"id": "g1", "name": "A\0B", "metadata": {"\0": "x"}}],
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server whose rows have odd values and more properties than the tap knows."""

    def respond(path: str) -> Any:
        resource = path.partition("/api/")[2]
        rows = next((rows for name, rows in LISTS.items() if resource.startswith(name)), [])
        rows = [] if "archived=true" in resource and resource.startswith("user") else rows
        meta = {"limit": 1000, "offset": 0, "total_count": len(rows), "next": None}
        return {"meta": meta, "objects": rows}

    with json_server(respond) as url:
        yield url


def test_names_and_counts_are_logged_once_and_no_value_is(url, tap, select):
    run = tap(catalog=select("users", "forms"), base_url=url)

    (form,) = run.records("forms")
    assert run.code == 0, run.log
    assert (form["received_on"], form["archived"], form["is_phone_submission"]) == (
        None,
        None,
        True,
    )
    assert form["submit_ip"] == "192.0.2.1"
    for line in (
        "forms: values that could not be read are null: received_on (1), archived (1)",
        "forms: properties that have no column were left out: brand_new (1)",
        "users: values that could not be read are null: user_data (1)",
        "users: properties that have no column were left out: shoe_size (1)",
    ):
        assert run.log.count(line) == 1, run.log
    assert "hush" not in run.log
    assert "31/01" not in run.log


@pytest.mark.parametrize("maps", [{}, {"forms": {"problem": "problem"}, "__else__": None}])
def test_strip_nul_leaves_no_nul_in_values_and_names(url, tap, select, monkeypatch, maps):
    monkeypatch.setitem(LISTS, "form/v1", [NUL])
    run = tap(
        catalog=select("forms", "groups"),
        base_url=url,
        strip_nul=True,
        **({"stream_maps": maps} if maps else {}),
    )

    assert run.code == 0, run.log
    (form,) = run.records("forms")
    assert form["form_id"] == "n"
    assert form["problem"] is None
    assert "\\u0000" not in json.dumps([run.records("forms"), run.records("groups")])
    assert form["form_data"] == {
        "@xmlns": "x", "na\ufffdme": "Ann", "name": "Bo", "group": [{"q": {"#text": ""}}],
    }  # fmt: skip
    assert run.log.count("forms: NUL characters were removed: ") == 1
    assert "form_data.group.q (1), form_data.group.q.#text (1)" in run.log
    if not maps:
        assert "groups: NUL characters were removed: name (1), metadata. (1)" in run.log


def test_without_strip_nul_nul_stays(url, tap, select):
    (group,) = tap(catalog=select("groups"), base_url=url).records("groups")

    assert group["name"] == "A\0B"


def test_strict_ends_with_65(url, tap, select):
    run = tap(catalog=select("forms"), base_url=url, strict=True)

    assert run.code == 65
    assert "forms.received_on cannot be read as its type" in run.log
    assert run.records("forms") == []
