"""Guarantees 3 and 4 for tables that others have changed, and the cost of a repeated schema."""

from __future__ import annotations

import random
import string

import pytest


@pytest.fixture
def users(make):
    return make.schema("users", {"id": "string", "name": "string"}, ["id"])


@pytest.fixture
def refresh(target, make, users):
    def of(version, *pairs, **settings):
        rows = [make.record("users", {"id": i, "name": n}, version) for i, n in pairs]
        return target.run(users, *rows, make.activate("users", version), **settings)

    return of


def test_columns_that_others_added_keep_their_values_through_a_refresh(refresh, query):
    assert refresh(1, ("a", "x"), ("b", "x")).code == 0
    query(
        "ALTER TABLE {s}.users ADD COLUMN note text DEFAULT 'new', ADD COLUMN twice text "
        "GENERATED ALWAYS AS (name || name) STORED"
    )
    query("UPDATE {s}.users SET note = 'kept' WHERE id = 'a'")

    assert refresh(2, ("a", "y"), ("c", "z")).code == 0

    assert query("SELECT id, name, note, twice FROM {s}.users ORDER BY id") == [
        ("a", "y", "kept", "yy"),
        ("c", "z", "new", "zz"),
    ]


def test_a_column_that_others_added_takes_the_property_of_its_name(refresh, target, make, query):
    assert refresh(1, ("a", "x")).code == 0
    query("ALTER TABLE {s}.users ADD COLUMN age bigint")
    wider = make.schema("users", {"id": "string", "name": "string", "age": "integer"}, ["id"])
    record = make.record("users", {"id": "a", "name": "x", "age": 5}, 2)

    target.load(wider, record, make.activate("users", 2))

    assert query("SELECT id, name, age FROM {s}.users") == [("a", "x", 5)]


def test_a_unique_index_that_others_added_allows_fitting_rows_through_a_refresh(refresh, query):
    assert refresh(1, ("a", "x"), ("b", "y")).code == 0
    query("CREATE UNIQUE INDEX one_name ON {s}.users (name)")

    assert refresh(2, ("a", "x"), ("c", "z")).code == 0

    assert query("SELECT id, name FROM {s}.users ORDER BY id") == [("a", "x"), ("c", "z")]
    indexes = query(
        "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = '{s}.users'::regclass"
    )
    assert any("one_name" in name for (name,) in indexes)


def test_a_refresh_that_violates_a_unique_index_of_others_fails_and_leaves_the_old_rows(
    refresh, query
):
    assert refresh(1, ("a", "x"), ("b", "y")).code == 0
    query("CREATE UNIQUE INDEX one_name ON {s}.users (name)")

    result = refresh(2, ("a", "same"), ("c", "same"))

    assert result.code == 65
    assert "one_name" in result.log
    assert "same" not in result.log
    assert query("SELECT id, name FROM {s}.users ORDER BY id") == [("a", "x"), ("b", "y")]


def test_a_load_that_violates_a_unique_index_of_others_fails_and_names_it(
    target, make, users, query
):
    target.load(users, make.record("users", {"id": "a", "name": "x"}))
    query("CREATE UNIQUE INDEX one_name ON {s}.users (name)")

    result = target.run(users, make.record("users", {"id": "b", "name": "x"}), make.state({"n": 1}))

    assert result.code == 65
    assert result.states == []
    assert "one_name" in result.log
    assert query("SELECT id FROM {s}.users") == [("a",)]


def test_rows_that_are_the_same_are_not_written_again(target, make, users, query):
    records = [make.record("users", {"id": str(n), "name": "x"}) for n in range(100)]
    target.load(users, *records)
    before = query("SELECT id, ctid::text, xmin::text, xmax::text FROM {s}.users ORDER BY id")
    changed = make.record("users", {"id": "7", "name": "y"})

    target.load(users, *records, changed)

    after = query("SELECT id, ctid::text, xmin::text, xmax::text FROM {s}.users ORDER BY id")
    assert [old[0] for old, new in zip(before, after, strict=True) if old != new] == ["7"]


def test_rows_that_are_the_same_are_not_written_again_by_a_refresh(refresh, query):
    pairs = [(str(n), "x") for n in range(100)]
    assert refresh(1, *pairs).code == 0
    before = query("SELECT id, ctid::text, xmin::text, xmax::text FROM {s}.users ORDER BY id")

    assert refresh(2, *pairs, ("7", "y")).code == 0

    after = query("SELECT id, ctid::text, xmin::text, xmax::text FROM {s}.users ORDER BY id")
    assert [old[0] for old, new in zip(before, after, strict=True) if old != new] == ["7"]


@pytest.mark.parametrize("hard_delete", [True, False])
@pytest.mark.parametrize("key", [["id"], []])
def test_a_first_version_becomes_the_table_itself(target, make, query, columns, key, hard_delete):
    users = make.schema("users", {"id": "string", "a" * 70: "string"}, key)
    rows = [make.record("users", {"id": str(n), "a" * 70: "x"}, 1) for n in range(3)]
    target.load(
        users,
        *rows,
        make.state({"n": 1}),
        make.activate("users", 1),
        make.state({"n": 2}),
        hard_delete=hard_delete,
    )
    assert query("SELECT count(*) FROM {s}.users") == [(3,)]

    more = [make.record("users", {"id": str(n), "a" * 70: "y"}, 2) for n in range(1, 5)]
    target.load(
        users,
        *more,
        make.state({"n": 3}),
        make.activate("users", 2),
        make.state({"n": 4}),
        hard_delete=hard_delete,
    )

    deleted = "" if hard_delete else " WHERE _sdc_deleted_at IS NULL"
    assert query("SELECT count(*) FROM {s}.users" + deleted) == [(4,)]
    left = query(
        "SELECT count(*) FROM pg_class WHERE relnamespace = '{s}'::regnamespace "
        "AND relname LIKE '\\_scout\\_new%%'"
    )
    assert left == [(0,)]


def test_a_first_version_that_was_interrupted_keeps_its_columns_when_the_schema_changes(
    target, make, query
):
    text = make.schema("users", {"id": "string", "age": "string", "old": "string"}, ["id"])
    first = make.record("users", {"id": "a", "age": "five", "old": "o"}, 1)
    running = target.start()
    running.send(text, first, make.state({"n": 1}))
    running.next_state()
    running.signal(9)
    running.end()
    whole = make.schema("users", {"id": "string", "age": "integer"}, ["id"])

    target.load(whole, make.record("users", {"id": "b", "age": 6}, 1), make.activate("users", 1))

    assert query("SELECT id, age, age__bigint, old FROM {s}.users ORDER BY id") == [
        ("a", "five", None, "o"),
        ("b", None, 6, None),
    ]


def test_an_activated_first_version_without_records_is_an_empty_table_with_its_key(
    target, make, users, query
):
    running = target.start()
    running.send(users, make.activate("users", 1), make.activate("users", 1), make.state({"n": 1}))
    running.next_state()
    assert query("SELECT count(*) FROM {s}.users") == [(0,)]
    keys = query(
        "SELECT contype FROM pg_constraint WHERE conrelid = '{s}.users'::regclass AND contype = 'p'"
    )
    assert keys == [("p",)]
    assert running.end().code == 0


@pytest.mark.parametrize("version", [None, 1])
def test_two_schemas_that_alternate_lose_nothing(target, make, query, version):
    one = make.schema("users", {"id": "string", "name": "string"}, ["id"])
    two = make.schema("users", {"id": "string", "age": "integer"}, ["id"])
    messages = []
    for n in range(50):
        messages += [one, make.record("users", {"id": f"a{n}", "name": "x"}, version)]
        messages += [two, make.record("users", {"id": f"a{n}", "age": n}, version)]
    end = [make.activate("users", version)] if version else []

    target.load(*messages, *end)

    assert query("SELECT count(*), sum(age), count(name) FROM {s}.users") == [
        (50, sum(range(50)), 50)
    ]


def test_a_renamed_table_keeps_its_rows_and_a_new_one_is_created(
    target, make, users, refresh, query
):
    rows = [make.record("users", {"id": "a", "name": "x"})]
    target.load(users, *rows)
    for number in (1, 2):
        query(f"ALTER TABLE {{s}}.users RENAME TO kept_{number}")
        assert (target.load(users, *rows) if number == 1 else refresh(7, ("a", "x"))).code == 0

    for table in ("users", "kept_1", "kept_2"):
        assert query(f"SELECT * FROM {{s}}.{table}") == [("a", "x")]
    keys = query(
        "SELECT count(*) FROM pg_constraint WHERE conrelid = '{s}.users'::regclass "
        "AND contype = 'p'"
    )
    assert keys == [(1,)]


def test_a_key_too_long_for_an_index_still_has_one_row_through_all_checkpoints(
    target, make, users, query
):
    long = "".join(random.Random(1).choices(string.ascii_letters + string.digits, k=9000))
    running = target.start(batch_wait_limit_seconds=0.1)
    for number in range(3):
        rows = [make.record("users", {"id": i, "name": f"{number}"}) for i in (long, "a")]
        running.send(users, *rows, make.state({"n": number}))
        assert running.next_state() == {"n": number}
    assert running.end().code == 0

    assert query("SELECT length(id), name FROM {s}.users ORDER BY 1") == [(1, "2"), (9000, "2")]


def test_versions_whose_schemas_alternate_end_with_their_last_rows(target, make, query):
    first = make.schema("users", {"id": "string", "name": "string"}, ["id"])
    second = make.schema("users", {"id": "string", "age": "integer"}, ["id"])

    def of(version, name, age):
        return make.record("users", {"id": "a", "name": name, "age": age}, version)

    target.load(first, second)
    messages = [first, of(1, "x", None), second, of(1, None, 1), make.activate("users", 1)]
    for version in (2, 3):
        messages += [second, of(version, None, 1), of(version, None, 2)]
        messages += [first, of(version, "x", None), of(version, "y", None)]
        messages += [second, of(version, None, version), make.activate("users", version)]
    target.load(*messages, batch_size_rows=1)

    assert query("SELECT id, name, age FROM {s}.users") == [("a", "y", 3)]
