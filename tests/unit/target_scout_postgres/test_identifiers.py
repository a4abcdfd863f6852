"""Identifiers for properties and streams are distinct, stable and of 63 bytes at most."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_scout_postgres.postgres.identifiers import (
    MAX_BYTES,
    SYSTEM_COLUMNS,
    Internal,
    identifier,
    internal_name,
    is_internal,
    shortened,
)

NAMES = st.one_of(
    st.text(max_size=80),
    st.text("a", min_size=55, max_size=70),
    st.text("aé中😀", min_size=10, max_size=70),
    st.sampled_from(["ctid", "xmin", "_scout_loads", "", "\x00", "a\x00", "?"]),
)


def with_results(names):
    """Names, and their identifiers, which are names too."""
    return {*names, *map(identifier, names), *map(shortened, names)}


@given(st.lists(NAMES, max_size=12))
def test_different_names_give_different_identifiers(names):
    results = with_results(names)

    assert len({identifier(name) for name in results}) == len(results)


@given(NAMES)
def test_an_identifier_fits_and_is_valid(name):
    results = identifier(name)

    assert 0 < len(results.encode()) <= MAX_BYTES
    assert "\x00" not in results


@given(st.text("abcdefghijklmnopqrstuvwxyz_ABC中é ", min_size=1, max_size=15))
def test_a_name_that_fits_is_kept(name):
    if not name.startswith("_scout_") and name not in SYSTEM_COLUMNS:
        assert identifier(name) == name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("n" * 63, "n" * 63),
        ("n" * 64, "n" * 52 + "_437a248c10"),
        ("中" * 21, "中" * 21),
        ("ctid", "ctid_" + identifier("ctid")[-10:]),
    ],
)
def test_identifiers_are_those_of_earlier_releases(name, expected):
    assert identifier(name) == expected


def test_internal_relations_have_distinct_names():
    names = {internal_name(kind, table) for kind in Internal for table in ("a", "A", "b")}

    assert len(names) == 3 * len(Internal)
    assert all(name.startswith("_scout_") for name in names)


def test_an_internal_name_is_recognised_and_a_stream_never_gets_one():
    name = internal_name(Internal.STAGE, "people")

    assert is_internal(Internal.STAGE, name)
    assert not is_internal(Internal.BATCH, name)
    assert identifier(name) != name
