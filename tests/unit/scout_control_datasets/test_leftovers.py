"""How remains of an owner are searched for: in files, in rows, and as which texts."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scout_control.credentials.records import Owner
from scout_control.datasets.purge import leftovers, owner_data
from scout_control.datasets.purge.owner_data import SearchTerms
from scout_control.installation.installation import Installation
from scout_control.installation.settings import Settings

ANN = SearchTerms(kind="user", id="ann@example.org", schemas=("data_ann_hq_1",))
IDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path.resolve()


@pytest.mark.parametrize(
    ("name", "content", "is_found"),
    [
        ("a.log", b"of ann@example.org", True),
        ("a.log", b"of bob@example.org", False),
        ("a.log", b"", False),
        ("data_ann_hq_1.json", b"", True),
        ("a.log", b"\xff\xfe data_ann_hq_1 \x00", True),
        ("a.log", b"WHERE user_id = 'ann@example.org'", True),
    ],
)
def test_an_owner_is_found_in_the_name_and_the_content_of_a_file(folder, name, content, is_found):
    path = folder / name
    path.write_bytes(content)

    assert leftovers.mentions(path, leftovers.matcher(ANN)) is is_found


@pytest.mark.parametrize("before", [-5, -1, 0, 1])
def test_a_name_across_the_end_of_what_is_read_at_once_is_found(folder, before):
    path = folder / "large.log"
    path.write_bytes(b"x" * (leftovers.CHUNK + before - 4) + b" ann@example.org " + b"y" * 100)

    assert leftovers.mentions(path, leftovers.matcher(ANN))


def test_a_link_is_searched_by_its_name_and_a_pipe_is_not_opened(folder):
    (folder / "target").write_text("ann@example.org")
    (folder / "link").symlink_to("target")
    (folder / "data_ann_hq_1").symlink_to("nowhere")
    os.mkfifo(folder / "pipe")
    owner = leftovers.matcher(ANN)

    assert not leftovers.mentions(folder / "link", owner)
    assert leftovers.mentions(folder / "data_ann_hq_1", owner)
    assert not leftovers.mentions(folder / "pipe", owner)


def test_without_terms_nothing_is_found(folder):
    path = folder / "a.log"
    path.write_text("anything\n")

    assert not leftovers.mentions(path, leftovers.matcher(SearchTerms(kind="user", id=None)))


def test_the_files_of_the_server_are_left_to_the_server(folder):
    for name in ("postgres/base/1", "dbt/data_x/run.json", "run.log", "a/postgres/kept"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    installation = Installation(Settings(project_root=folder, home=folder))
    found = {
        str(path.relative_to(folder))
        for path in leftovers.files(installation)
        if folder in path.parents
    }

    assert {"run.log", "dbt/data_x/run.json", "a/postgres/kept"} <= found
    assert not [path for path in found if path.startswith("postgres")]


def test_a_file_that_names_the_owner_on_purpose_is_spared(folder):
    for name in ("receipt.json", "run.log"):
        (folder / name).write_text("ann@example.org")
    installation = Installation(Settings(project_root=folder, home=folder))

    def found(*spared):
        [result] = leftovers._in_files(installation, ANN, spared)
        return result.found, result.problem

    assert found()[0] == 2
    assert found(folder / "receipt.json") == (1, f"{folder}/run.log")
    assert found(folder / "receipt.json", folder / "run.log") == (0, None)


@given(IDS)
def test_any_id_is_found_where_control_writes_it(identity):
    """Neither a regular expression nor a quote in an id hides it."""
    user = SearchTerms(kind="user", id=identity)
    literal = identity.replace("'", "''")

    assert leftovers.matcher(user).search(f"WHERE name = '{literal}'".encode())
    assert leftovers.matcher(user).search(json.dumps(["user", identity]).encode())


@given(st.sampled_from(["user", "project"]), IDS)
def test_any_id_makes_a_pattern_that_compiles(kind, identity):
    terms = SearchTerms(kind=kind, id=identity, schemas=("data_x",), comments=("scout 1",))

    assert leftovers.matcher(terms).search(b"data_x")
    assert leftovers.matcher(terms).search(b"scout 1")


def statement(table, columns, terms=ANN):
    return leftovers._statement("scout_control", table, columns, terms).as_string(None)


def test_a_column_of_ids_is_compared_and_all_others_are_searched():
    text = statement("datasets", [("user_id", "text"), ("schema_name", "text")])

    assert text == (
        'SELECT count(*) FROM "scout_control"."datasets" WHERE "user_id"::text ~ ANY(%(patterns)s)'
        ' OR "user_id"::text = %(id)s OR "schema_name"::text ~ ANY(%(patterns)s)'
    )


@pytest.mark.parametrize(
    ("table", "column", "kind", "is_compared"),
    [
        ("projects", "id", "project", True),
        ("projects", "id", "user", False),
        ("sources", "id", "project", False),
        ("runs", "project_id", "project", True),
        ("runs", "project_id", "user", False),
        ("x", "created_by", "user", True),
        ("x", "created_by", "project", False),
    ],
)
def test_a_project_and_a_user_of_one_name_are_kept_apart(table, column, kind, is_compared):
    text = statement(table, [(column, "text")], SearchTerms(kind=kind, id="river"))

    assert ("= %(id)s" in text) is is_compared


def test_without_the_id_only_generated_names_are_searched():
    text = statement("audit_values", [("value", "text")], SearchTerms(kind="user", id=None))

    assert "%(id)s" not in text
    assert SearchTerms(kind="user", id=None, schemas=("data_x",)).patterns == ("data_x",)


def test_names_of_tables_and_columns_are_quoted():
    assert '"a""b"."c""d"' in leftovers._statement('a"b', 'c"d', [('e"f', "bytea")], ANN).as_string(
        None
    )


@pytest.mark.parametrize(
    ("owner", "expected"),
    [
        (Owner(user_id="ann"), ("user", "ann")),
        (Owner(project_id="river"), ("project", "river")),
    ],
)
def test_an_owner_is_of_one_kind(owner, expected):
    assert owner_data.kind_and_id(owner) == expected


def test_the_roles_of_an_owner_are_those_of_their_schemas():
    terms = SearchTerms(kind="user", id="ann", schemas=("data_a", "data_b"))

    assert sorted(terms.roles) == [
        *("data_a_login", "data_a_query", "data_a_ro", "data_a_rw"),
        *("data_b_login", "data_b_query", "data_b_ro", "data_b_rw"),
    ]
    assert terms.parameters["roles"] == list(terms.roles)


@pytest.mark.parametrize(
    "comment",
    ['["user", "a.b"]', '["user", "a.b"', '[\\"user\\", \\"a.b\\"]', '[""user"", ""a.b""]'],
)
def test_comments_of_older_versions_are_found_however_they_are_quoted(comment):
    pattern = leftovers.matcher(SearchTerms(kind="user", id="a.b"))

    assert pattern.search(comment.encode())
    assert not pattern.search(comment.replace("a.b", "axb").encode())
