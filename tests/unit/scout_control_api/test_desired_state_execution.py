"""What a failed change stops, the URL of a described connection, and how results are reported."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scout_control.api.desired_state import account_tests, execution
from scout_control.api.desired_state.execution import DONE, FAILED, SKIPPED, Outcome
from scout_control.api.desired_state.items import Item, Key, Kind
from scout_control.api.desired_state.planning import Action, Change, FieldChange, Plan
from scout_control.api.desired_state.problems import InvalidStateError, Place, Problem, dotted
from scout_control.api.desired_state.service import Result
from scout_control.cli import plan_text
from scout_control.errors import CredentialRefusedError, ServerError
from scout_control.store import connection_urls

PROJECT = Item(fields={"name": "river", "connection": "warehouse"})
TEXTS = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp", "Cf")), min_size=1, max_size=12
)


def change(kind, name, action=Action.ADD, desired=None):
    return Change(action=action, key=Key(Kind(kind), name), desired=desired)


def key(text):
    kind, _, name = text.partition(" ")
    return Key(Kind(kind), name)


@pytest.mark.parametrize(
    ("made", "failed", "is_stopped"),
    [
        ("source hq", "connection warehouse", False),
        ("link river/hq", "source hq", True),
        ("link river/hq", "project river", True),
        ("link river/hq", "source other", False),
        ("link river/hq", "link lake/hq", False),
        ("dataset river/hq", "link river/hq", True),
        ("dataset river/hq", "link river/other", False),
        ("credential river/hq", "project river", True),
        ("credential river/hq", "source hq", True),
        ("credential river/hq", "link river/hq", False),
    ],
)
def test_what_is_made_needs_what_it_belongs_to(made, failed, is_stopped):
    assert execution._needs(change(*made.split(" ", 1)), key(failed)) is is_stopped


def test_a_project_needs_its_database():
    made = change("project", "river", desired=PROJECT)

    assert execution._needs(made, key("connection warehouse"))
    assert not execution._needs(made, key("connection other"))


@pytest.mark.parametrize(
    ("removed", "failed", "is_stopped"),
    [
        ("project river", "link river/hq", True),
        ("project river", "credential river/hq", True),
        ("project river", "link lake/hq", False),
        ("source hq", "link river/hq", True),
        ("source hq", "credential lake/hq", True),
        ("source hq", "project river", False),
        ("connection warehouse", "project river", True),
        ("link river/hq", "credential river/hq", False),
        ("credential river/hq", "link river/hq", True),
        ("credential river/hq", "link river/other", False),
        ("credential river/hq", "link lake/hq", False),
    ],
)
def test_what_is_removed_waits_for_what_belongs_to_it(removed, failed, is_stopped):
    kind, name = removed.split(" ", 1)

    assert execution._needs(change(kind, name, Action.REMOVE), key(failed)) is is_stopped


@given(
    login=st.fixed_dictionaries({"user": TEXTS, "password": TEXTS}),
    host=st.sampled_from(["db.example.org", "10.0.0.1", "::1", "/run/postgresql"]),
    port=st.integers(1, 65535),
    database=TEXTS.filter(lambda name: not name.startswith("/")),
    sslmode=st.sampled_from([None, "require"]),
)
def test_the_url_of_a_connection_says_what_its_parts_do(login, host, port, database, sslmode):
    fields = {"host": host, "port": port, "database": database, "sslmode": sslmode}
    fields["parameters"] = {"sslrootcert": "/ca.pem"} if sslmode else {}
    url = execution._url(Item(fields=fields, secrets=login))

    found = connection_urls.parse(url)
    assert {name: getattr(found, name) for name in fields} == fields
    assert {name: getattr(found, name) for name in login} == login


def test_what_a_new_url_lacks_is_removed():
    old = Item(fields={"sslmode": "require", "parameters": {"sslsni": "0", "sslcert": "/a"}})
    new = Item(fields={"sslmode": None, "parameters": {"sslcert": "/b"}})
    made = Change(action=Action.CHANGE, key=key("connection w"), desired=new, actual=old)

    assert execution._removed_parameters(made) == ["sslmode", "sslsni"]


def test_a_result_is_complete_only_if_everything_was_done():
    outcomes = [
        Outcome(change=change("project", name), status=status, message=message)
        for name, status, message in (
            ("a", DONE, ""),
            ("b", FAILED, "It is in use. Wait."),
            ("c", SKIPPED, "It depends on the project b."),
        )
    ]
    result = Result(plan=Plan(changes=tuple(each.change for each in outcomes)), outcomes=outcomes)

    assert not result.is_complete
    assert [each.change.key.name for each in result.failures] == ["b"]
    assert Result(plan=Plan(), outcomes=outcomes[:1]).is_complete
    document = result.as_dict()
    assert (document["success"], document["has_changes"]) == (False, True)
    assert [(each["name"], each["status"]) for each in document["results"]] == [
        ("a", DONE),
        ("b", FAILED),
        ("c", SKIPPED),
    ]
    assert plan_text.outcome(outcomes[1]) == "+ project b\n  failed: It is in use. Wait."
    assert plan_text.outcome(outcomes[0]) == "+ project a"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("interval", 6, "6h"),
        ("interval", 24, "24h"),
        ("interval", 336, "14d"),
        ("streams", [], "all"),
        ("keep", None, "default"),
        ("readers", [], "none"),
        ("readers", ["b", "a"], "b a"),
        ("paused", True, "true"),
        ("config.page_size", 5, "5"),
        ("config.maps", {"a": [1]}, '{"a": [1]}'),
        ("config.domain", "ü", "ü"),
    ],
)
def test_values_are_shown_as_files_write_them(name, value, text):
    new = FieldChange(name=name, old="x", new=value)
    shown = plan_text.line(
        Change(action=Action.CHANGE, key=Key(Kind.LINK, "river/hq"), fields=(new,))
    )

    assert shown == f"~ link river/hq {name} x -> {text}"


def test_the_summary_counts_each_action():
    changes = (change("project", "a"), change("project", "b"), change("link", "c", Action.REMOVE))

    assert plan_text.summary(Plan(changes=changes)) == "To be added: 2, removed: 1."
    assert list(plan_text.lines(Plan(notes=("Note.",)))) == ["Note.", "Nothing to change."]


def test_mistakes_are_listed_once_in_the_order_of_files_and_lines():
    problems = [
        Problem(Place("b.yaml", 1), "third."),
        Problem(Place("a.yaml", 9), "second."),
        Problem(Place("a.yaml", 2), "first."),
        Problem(Place("a.yaml", 9), "second."),
    ]
    error = InvalidStateError(problems)

    assert error.details == (
        "a.yaml, line 2: first.",
        "a.yaml, line 9: second.",
        "b.yaml, line 1: third.",
    )
    assert str(error).startswith("Found 3 mistakes;")
    assert str(error).endswith("\n".join(["", *error.details]))  # all that a notebook shows
    assert str(InvalidStateError(problems[:1])).startswith("Found 1 mistake;")
    assert dotted(("credentials", 0, "settings", "key")) == "credentials[0].settings.key"


def a_credential(name, secrets, kind="api_key", action=Action.ADD):
    desired = Item(fields={"kind": kind}, secrets=secrets)
    return Change(action=action, key=Key(Kind.CREDENTIAL, name), desired=desired)


def test_credentials_are_one_account_if_source_kind_and_secrets_are_the_same():
    changes = [
        a_credential("a/hq", {"user": "u", "key": "1"}),
        a_credential("b/hq", {"key": "1", "user": "u"}),
        a_credential("c/hq", {"user": "u", "key": "2"}),
        a_credential("a/connect", {"user": "u", "key": "1"}),
        a_credential("d/hq", {"user": "u", "key": "1"}, kind="settings"),
        a_credential("e/hq", {}),  # a person connects it
    ]
    found = [[each.key.name for each in account] for account in account_tests.accounts(changes)]

    assert found == [["a/hq", "b/hq"], ["c/hq"], ["a/connect"], ["d/hq"]]


def test_what_depends_on_a_failure_is_not_tested_nor_what_is_removed():
    changes = [
        a_credential("a/hq", {"key": "1"}),
        a_credential("b/hq", {"key": "1"}),
        a_credential("a/connect", {"key": "2"}),
        a_credential("c/hq", {"key": "3"}, action=Action.REMOVE),
        change("source", "hq"),
    ]
    found = execution._testable(changes, [key("source connect"), key("project a")])

    assert [[each.key.name for each in account] for account in found] == [["b/hq"]]


def test_the_error_of_a_shared_account_names_the_project_that_it_was_tested_for():
    error = CredentialRefusedError("hq rejected it.", "Reconnect.")
    account = [a_credential(f"{project}/hq", {"key": "1"}) for project in "abc"]
    first, other, _ = account

    assert account_tests.explained(error, first, [first]).cause == "hq rejected it."
    told = account_tests.explained(error, first, account)
    assert told.cause == "hq rejected it. 2 other projects with this account: b, c."
    told = account_tests.explained(error, other, account)
    assert told.cause == "The same account failed the test for a. hq rejected it."
    assert isinstance(told, CredentialRefusedError)
    assert told.remedy.startswith("Correct the secret that the file refers to")
    away = account_tests.explained(ServerError("hq is away.", "Wait."), first, [first])
    assert str(away) == (
        "hq is away. Check the address and the network, then apply again; to store it untested: "
        "--no-test."
    )
    assert all("--no-test" in each.remedy for each in (told, away))
