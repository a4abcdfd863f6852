"""How a stage replaces a live table, and when it may be continued."""

from __future__ import annotations

import pytest
from target_scout_postgres.encoding.layout import Layout
from target_scout_postgres.loading.refresh import Removal, must_start_anew, plan_replacement
from target_scout_postgres.postgres.schema_snapshot import StreamVersions, Table, UniqueIndex

KEY = UniqueIndex("people_key", "people_key", ("id",))


@pytest.mark.parametrize(
    ("key", "soft_delete", "removal"),
    [
        (("id",), False, Removal.DELETE_MISSING),
        ((), False, Removal.DELETE_ALL),
        (("id",), True, Removal.MARK_MISSING),
        ((), True, Removal.MARK_MISSING),
    ],
)
def test_what_happens_to_rows_that_a_version_lacks(key, soft_delete, removal):
    table = Table("people")

    plan = plan_replacement(Layout((), key), table, table, soft_delete=soft_delete)
    assert plan.removal is removal


@pytest.mark.parametrize(
    ("key", "indexes", "expected"),
    [(("id",), [KEY], True), (("id",), [], False), (("id", "n"), [KEY], False), ((), [KEY], False)],
)
def test_whether_rows_can_be_merged_by_an_index(key, indexes, expected):
    live = Table("people", indexes=indexes)

    assert plan_replacement(Layout((), key), live, live, soft_delete=False).has_index is expected


def test_columns_of_others_keep_their_values():
    live = Table("people", columns={"id": "bigint", "note": "text", "name": "text"})
    stage = Table("_scout_new_1", columns={"id": "bigint", "name": "text", "later": "text"})

    assert plan_replacement(Layout((), ("id",)), live, stage, soft_delete=False).columns == (
        "id",
        "name",
    )


@pytest.mark.parametrize(
    ("loading", "version", "exists", "expected"),
    [
        (2, 2, True, False),
        (2, 3, True, True),
        (None, 3, True, True),
        (None, None, True, True),  # nothing tells its rows from those of an earlier run
        (2, 3, False, False),
    ],
)
def test_a_stage_is_continued_only_for_its_own_version(loading, version, exists, expected):
    stage = Table("_scout_new_1", exists=exists)

    assert must_start_anew(StreamVersions(1, loading), version, stage) is expected
