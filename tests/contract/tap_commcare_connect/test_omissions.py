"""NUL in responses of Connect: emitted for targets that can store it, or removed and reported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.json_server import json_server

RESPONSES: dict[str, Any] = {
    "opp_org_program_list/": {
        "organizations": [],
        "programs": [],
        "opportunities": [{"id": 1, "name": "One", "organization": "o", "visit_count": 1}],
    },
    "user_data/": {"next": None, "results": [{"username": "ann\0", "name": "\0", "phone": "1"}]},
    "work_areas/": {
        "next": None,
        "results": [{"id": 7, "slug": "w\0", "case_properties": {"k\0": "a\0", "k": 1.10}}],
    },
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server whose rows contain NUL."""

    def respond(path: str) -> Any:
        resource = path.partition("?")[0]
        return next(body for end, body in RESPONSES.items() if resource.endswith(end))

    with json_server(respond) as url:
        yield url


@pytest.mark.parametrize("is_stripped", [True, False])
def test_strip_nul_leaves_no_nul_in_values_and_names(url, tap, select, is_stripped):
    run = tap(catalog=select("users", "work_areas"), base_url=url, strip_nul=is_stripped)

    assert run.code == 0, run.log
    (user,), (area,) = run.records("users"), run.records("work_areas")
    if is_stripped:
        assert (user["username"], user["name"], area["slug"]) == ("ann", None, "w")
        assert area["case_properties"] == {"k\ufffd": "a", "k": 1.1}
        assert "users: NUL characters were removed: username (1), name (1)" in run.log
        assert (
            "work_areas: NUL characters were removed: case_properties.k\ufffd (2), slug" in run.log
        )
    else:
        assert (user["username"], area["case_properties"]["k\0"]) == ("ann\0", "a\0")
        assert "NUL" not in run.log
