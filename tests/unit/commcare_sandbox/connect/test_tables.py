"""Generated rows, and changes to them."""

from __future__ import annotations

import pytest
from commcare_sandbox.connect.data.store import ConnectStore, Sizes
from commcare_sandbox.connect.data.tables import Ids, Table, UnknownRowError


@pytest.fixture
def table() -> Table:
    return Table(Ids(index=1, of=3, size=5), lambda number: {"number": number})


def ids(page):
    return [row_id for row_id, _ in page]


def test_ids_of_several_opportunities_come_from_one_sequence(table):
    assert ids(table.all_rows()) == [4, 10, 16, 22, 28]
    assert [row["number"] for _, row in table.all_rows()] == [0, 1, 2, 3, 4]


def test_a_page_follows_an_id_in_either_direction(table):
    assert ids(table.page(10, 2)) == [16, 22]
    assert ids(table.page(11, 2)) == [16, 22]
    assert ids(table.page(22, 2, reverse=True)) == [16, 10]
    assert ids(table.page(None, 2, reverse=True)) == [28, 22]


def test_changes_show_in_every_page(table):
    table.remove(10)
    table.put(15, {"number": "late"})
    table.put(16, {"number": "edited"})
    table.put(31, {"number": "new"})

    assert ids(table.all_rows()) == [4, 15, 16, 22, 28, 31]
    assert ids(table.page(None, 3, reverse=True)) == [31, 28, 22]
    assert table.get(16) == {"number": "edited"}
    assert table.count == 6


def test_a_removed_row_cannot_be_had(table):
    table.remove(10)

    with pytest.raises(UnknownRowError):
        table.get(10)
    with pytest.raises(UnknownRowError):
        table.remove(11)


def test_the_same_seed_makes_the_same_data():
    sizes = Sizes(opportunities=4, visits=60)

    assert list(ConnectStore(7, sizes).content("user_visits")) == list(
        ConnectStore(7, sizes).content("user_visits")
    )
    assert list(ConnectStore(7, sizes).content("payment")) != list(
        ConnectStore(8, sizes).content("payment")
    )


def test_visits_are_shared_out_completely_and_unevenly():
    store = ConnectStore(1, Sizes(opportunities=9, visits=1001))
    counts = [item["visit_count"] for item in store.opportunities()]

    assert sum(counts) == 1001
    assert min(counts) == 0
    assert max(counts) > 250


def test_a_late_row_gets_an_id_below_one_that_exists():
    store = ConnectStore(1, Sizes(opportunities=2, visits=20))

    first = store.insert("user_visits", 1, before=30)
    second = store.insert("user_visits", 1, before=30)

    assert second < first < 30
    assert store.table("user_visits", 1).get(first)["id"] == first


def test_a_late_row_may_come_before_all_others():
    store = ConnectStore(1, Sizes(opportunities=3, visits=20))

    assert store.insert("payment", 3, before=2) == 1
    assert [row_id for row_id, _ in store.table("payment", 3).page(None, 2)] == [1, 6]


def test_a_visit_is_as_large_as_asked():
    store = ConnectStore(1, Sizes(opportunities=1, visits=5, visit_bytes=20_000))
    sizes = [len(row["row"]["form_json"]) for row in store.content("user_visits")]

    assert all(18_000 < size < 23_000 for size in sizes)
