"""Which texts identify an owner, and which could mean another one."""

from __future__ import annotations

import re

import pytest
from scout_control.datasets.purge.owner_data import SearchTerms

ADDRESS = "ann@example.org"
UUID = "6f1c2d3e-0a1b-4c5d-8e9f-001122334455"


def is_found(names, text):
    return any(re.search(pattern, text) for pattern in names.patterns)


@pytest.mark.parametrize("identity", [ADDRESS, UUID, "hill-2026", "2048"])
def test_an_id_is_found_where_the_context_says_so(identity):
    user = SearchTerms(kind="user", id=identity)

    for text in (f"--user {identity}", f'{{"user": "{identity}"}}', f"river/hq/{identity}"):
        assert is_found(user, text), text


@pytest.mark.parametrize("text", ["hill-2026", "hill-2026/hq", '{"project": "hill-2026"}'])
def test_a_project_with_the_id_of_a_user_keeps_its_traces(text):
    assert not is_found(SearchTerms(kind="user", id="hill-2026"), text)


def test_only_addresses_and_uuids_identify_an_owner_anywhere():
    assert not is_found(SearchTerms(kind="user", id="2048"), '{"letters": 2048}')
    assert is_found(SearchTerms(kind="user", id=ADDRESS), f"asked by {ADDRESS}")
    assert is_found(SearchTerms(kind="user", id=UUID), f"asked by {UUID}")
