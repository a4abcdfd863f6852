"""Names of properties and streams become names of Postgres: apart, stable, of 63 bytes at most."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_scout_postgres.postgres.identifiers import (
    LONGEST_BYTES,
    SYSTEM_COLUMNS,
    identifier,
    own,
    shortened,
)

NAMES = st.one_of(
    st.text(max_size=80),
    st.text("a", min_size=55, max_size=70),
    st.text("aé中😀", min_size=10, max_size=70),
    st.sampled_from(["ctid", "xmin", "_scout_loads", "", "\x00", "a\x00", "?"]),
)


def with_results(names):
    """Names, and what comes out for them, which are names too."""
    return {*names, *map(identifier, names), *map(shortened, names)}


@given(st.lists(NAMES, max_size=12))
def test_different_names_never_meet(names):
    found = with_results(names)

    assert len({identifier(name) for name in found}) == len(found)


@given(NAMES)
def test_a_name_fits_and_is_valid(name):
    found = identifier(name)

    assert 0 < len(found.encode()) <= LONGEST_BYTES
    assert "\x00" not in found


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
def test_names_stay_what_they_were_in_earlier_releases(name, expected):
    assert identifier(name) == expected


def test_our_own_relations_have_names_of_their_own():
    names = {own(kind, table) for kind in ("key", "new", "held") for table in ("a", "A", "b")}

    assert len(names) == 9
    assert all(name.startswith("_scout_") for name in names)
