"""Names of generated tables and columns."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from scout_dbt.planning.naming import LONGEST_BYTES, RESERVED_WORDS, assign, slug, unreserved

KEYS = st.lists(st.text(min_size=1, max_size=90), max_size=12, unique=True)


@given(KEYS)
def test_every_key_has_a_name_of_its_own_of_at_most_63_bytes(keys):
    names = assign({key: slug(key) for key in keys}, reserved=["case_id"])

    assert set(names) == set(keys)
    assert len(set(names.values())) == len(keys)
    assert all(len(name.encode()) <= LONGEST_BYTES for name in names.values())
    assert "case_id" not in names.values()


@given(KEYS, KEYS)
def test_a_name_once_given_stays_when_keys_come_and_go(first, second):
    before = assign({key: slug(key) for key in first})
    after = assign({key: slug(key) for key in second}, previous=before)

    assert {key: after[key] for key in before if key in after} == {
        key: name for key, name in before.items() if key in after
    }


@given(KEYS)
def test_names_do_not_depend_on_the_order_of_keys(keys):
    preferred = {key: slug(key) for key in keys}
    assert assign(preferred) == assign(dict(reversed(preferred.items())))


def test_a_slug_is_lower_case_without_signs_in_its_own_script():
    assert slug("Phone-Number.2") == "phone_number_2"
    assert slug("भाषा") == "भाषा"
    assert slug("2nd visit") == "_2nd_visit"
    assert slug("?!") == "unnamed"


@given(KEYS)
def test_no_new_name_is_a_reserved_word(keys):
    keys = [*keys, "order", "Order", "order_", "user", "CASE"]
    names = assign({key: unreserved(slug(key)) for key in keys})

    assert not RESERVED_WORDS & set(names.values())
    assert len(set(names.values())) == len(set(keys))
    assert (names["order"], names["user"]) == ("order_", "user_")


def test_a_reserved_word_that_was_given_as_a_name_stays():
    names = assign({"order": "order_", "end": "end_"}, previous={"order": "order"})

    assert names == {"order": "order", "end": "end_"}


def test_no_slug_ends_like_a_reserved_word_with_its_mark():
    assert {unreserved(slug(word)) for word in ("order_", "_order_", "Order!")} == {"order_"}
