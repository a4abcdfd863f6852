"""A plan is what differs, in an order that works, and removes nothing that is still used."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scout_control.api.desired_state.execution import Outcome
from scout_control.api.desired_state.items import Item, Key, Kind
from scout_control.api.desired_state.planning import Action, make_plan
from scout_control.api.desired_state.unseen_rules import changed
from scout_control.cli import plan_text
from scout_control.rules.lost_accounts import Account

HQ = {"type": "tap-commcare", "base_url": None, "config": {"domain": "river"}, "streams": []}
LINK = {"mode": "project", "interval": 1, "streams": ["cases"], "config": {"domain": "river"}}


def key(kind, name):
    return Key(Kind(kind), name)


def state(**changes):
    """Return a small state: one project that reads one source; changes by kind, None removes."""
    items = {
        key("connection", "warehouse"): Item(
            fields={"host": "db", "port": 5432}, secrets={"user": "u", "password": "p"}
        ),
        key("source", "hq"): Item(fields=HQ, address={"url": "a"}),
        key("project", "river"): Item(fields={"name": "river", "connection": "warehouse"}),
        key("link", "river/hq"): Item(fields=LINK, data="5 rows of river/hq"),
        key("dataset", "river/hq"): Item(fields={"readers": [], "paused": False}),
        key("credential", "river/hq"): Item(
            fields={"kind": "api_key"},
            secrets={"username": "me", "api_key": "k"},
            address={"url": "a"},
        ),
    }
    for kind, item in changes.items():
        [name] = [each for each in items if each.kind == kind]
        if item is None:
            del items[name]
        else:
            items[name] = item
    return items


def shown(desired, actual, is_prunable=lambda _: False):
    plan = make_plan(desired, actual, is_prunable)
    return [plan_text.line(each) for each in plan.changes], list(plan.notes)


def test_what_is_so_already_needs_nothing():
    assert shown(state(), state()) == ([], [])
    assert plan_text.summary(make_plan(state(), state())) == "Nothing to change."


def test_what_is_missing_is_added_in_the_order_of_dependencies():
    lines, _ = shown(dict(reversed(state().items())), {})

    assert [line.split()[:3] for line in lines] == [
        ["+", "connection", "warehouse"],
        ["+", "source", "hq"],
        ["+", "project", "river"],
        ["+", "link", "river/hq"],
        ["+", "dataset", "river/hq"],
        ["+", "credential", "river/hq"],
    ]


def test_a_change_shows_old_and_new_values():
    link = {**LINK, "interval": 48, "streams": [], "config": {"app_ids": ["a", "b"]}}
    found, _ = shown(state(link=Item(fields=link)), state())

    assert found == [
        "~ link river/hq interval 1h -> 2d, streams cases -> all, "
        "config.app_ids none -> a b, config.domain river -> none"
    ]


def test_a_secret_is_never_shown():
    new = Item(
        fields={"kind": "api_key"},
        secrets={"username": "me", "api_key": "canary"},
        address={"url": "a"},
    )
    plan = make_plan(state(credential=new), state())

    assert [plan_text.line(each) for each in plan.changes] == [
        "~ credential river/hq api_key changed"
    ]
    assert "canary" not in repr(plan) + str(plan.as_dict())


def test_a_secret_that_the_files_do_not_give_is_left_alone():
    actual = state(source=Item(fields=HQ, secrets={"client_secret": "s"}, address={"url": "a"}))

    assert shown(state(), actual) == ([], [])


@pytest.mark.parametrize("kind", ["connection", "credential"])
def test_secrets_that_no_key_decrypts_are_stored_again(kind):
    [name] = [each for each in state() if each.kind == kind]
    actual = state(**{kind: Item(fields=state()[name].fields, secrets=None)})
    [line], _ = shown(state(), actual)

    assert line.startswith(f"~ {name} ")
    assert line.count("changed") == 2


def test_a_credential_is_stored_again_when_the_address_of_its_source_changes():
    source = Item(fields={**HQ, "base_url": "b"}, address={"url": "b"})
    credential = Item(
        fields={"kind": "api_key"}, secrets={"username": "me", "api_key": "k"}, address={"url": "b"}
    )
    lines, _ = shown(state(source=source, credential=credential), state())

    assert lines == [
        "~ source hq base_url none -> b",
        "~ credential river/hq username changed, api_key changed",
    ]


def test_a_field_that_is_not_managed_stays():
    dataset = Item(fields={"readers": []})
    actual = state(dataset=Item(fields={"readers": [], "paused": True}))

    assert shown(state(dataset=dataset), actual) == ([], [])


def test_a_link_that_was_ended_is_added_again():
    actual = state(link=Item(fields=LINK, is_active=False))

    assert [line[:17] for line in shown(state(), actual)[0]] == ["+ link river/hq m"]


def test_a_credential_that_a_person_connects_is_a_note_until_they_have():
    by_person = Item(fields={"kind": "oauth2"})
    note = ["A person must connect: scout credentials connect hq --project river"]

    assert shown(state(credential=by_person), state(credential=None)) == ([], note)
    assert shown(state(credential=by_person), state()) == ([], note)
    assert shown(state(credential=by_person), state(credential=by_person)) == ([], [])


def test_a_credential_that_its_source_rejected_is_tried_again():
    found = state()[key("credential", "river/hq")]
    rejected = state(credential=replace(found, is_rejected=True))

    tried = "~ credential river/hq status needs reconnect -> connected"
    assert shown(state(), rejected) == ([tried], [])
    corrected = replace(found, secrets={"username": "me", "api_key": "new"})
    assert shown(state(credential=corrected), rejected) == ([f"{tried}, api_key changed"], [])
    by_person = replace(found, secrets={})
    note = "A person must connect: scout credentials connect hq --project river"
    assert shown(state(credential=by_person), rejected) == ([], [note])


def test_nothing_is_removed_without_pruning():
    assert shown({}, state()) == ([], [])


def test_pruning_removes_what_belongs_to_a_thing_before_it_and_says_what_data_goes():
    lines, notes = shown({}, state(), lambda _: True)

    assert lines == [
        "- link river/hq drops 5 rows of river/hq",
        "- credential river/hq",
        "- project river",
        "- source hq",
        "- connection warehouse",
    ]
    assert notes == []


def test_a_pruned_project_takes_its_links_and_credentials_even_those_that_were_ended():
    actual = state(link=Item(fields=LINK, data="5 rows of river/hq", is_active=False))
    desired = {k: v for k, v in state().items() if k.kind in {Kind.SOURCE, Kind.CONNECTION}}
    lines, _ = shown(desired, actual, lambda each: each.kind == Kind.PROJECT)

    assert lines == [
        "- link river/hq drops 5 rows of river/hq",
        "- credential river/hq",
        "- project river",
    ]


def test_a_link_that_was_ended_is_pruned_only_if_it_still_has_data():
    desired = {each: item for each, item in state().items() if each.kind != Kind.LINK}
    ended = {"fields": LINK, "is_active": False}
    with_data = state(link=Item(**ended, data="5 rows of river/hq"))

    def is_link(each):
        return each.kind == Kind.LINK

    assert shown(desired, with_data, is_link)[0] == ["- link river/hq drops 5 rows of river/hq"]
    assert shown(desired, state(link=Item(**ended)), is_link)[0] == []


def test_what_others_use_stays_and_is_noted():
    pruned = {Kind.SOURCE, Kind.CONNECTION}
    lines, notes = shown({}, state(), lambda each: each.kind in pruned)

    assert lines == []
    assert notes == [
        "connection warehouse stays: what these files do not describe still uses it.",
        "source hq stays: what these files do not describe still uses it.",
    ]


def test_a_run_in_progress_is_noted_where_its_data_would_be_removed_and_only_there():
    busy = state(link=Item(fields=LINK, busy_with="5f"))
    plan = make_plan({}, busy, lambda _: True)

    assert [str(each.key) for each in plan.busy] == ["link river/hq"]
    assert plan.notes[-1] == (
        "A run of river/hq is in progress: this plan cannot be applied before it has ended. "
        "To end it now: scout runs cancel 5f"
    )
    renamed = Item(fields={"name": "new", "connection": "warehouse"})
    other = make_plan(state(project=renamed), busy)
    assert (other.busy, other.notes, len(other.changes)) == ((), (), 1)


def test_the_stores_own_database_is_never_removed():
    own = Item(fields={"host": None}, is_kept=True)
    project = Item(fields={"name": "r", "connection": "other"})
    lines, _ = shown({}, state(connection=own, project=project), lambda _: True)

    assert all("warehouse" not in line for line in lines)


def test_a_long_value_is_cut_and_the_plan_counts():
    long = Item(fields={**HQ, "config": {"domain": "x" * 200}})
    plan = make_plan(state(source=long), state())

    assert len(plan_text.line(plan.changes[0])) < 160
    assert plan_text.summary(plan) == "To be changed: 1."
    assert plan.count(Action.ADD) == 0
    assert plan.as_dict()["changes"][0]["fields"] == {"config.domain": ["river", "x" * 200]}


def test_names_cannot_forge_lines_of_a_result():
    name = key("project", "river\n+ project forged\x1b[2J")
    plan = make_plan({name: Item(fields={"name": "x", "connection": "default"})}, {})
    failed = Outcome(change=plan.changes[0], status="failed", message="No.\nDone: 1 of 1.")

    assert plan_text.outcome(failed) == (
        "+ project river\\n+ project forged\\x1b[2J name x\n  failed: No.\\nDone: 1 of 1."
    )


def test_a_new_address_tells_which_accounts_must_be_connected_again():
    of_project, of_user = (
        Account(source="hq", owner=owner, name=name, kind="oauth2")
        for owner, name in (("project", "river"), ("user", "ann"))
    )
    moved = Item(fields={**HQ, "base_url": "b"}, address={"url": "b"})
    before = state(source=Item(fields=HQ, address={"url": "a"}, accounts=(of_project, of_user)))

    _, [note] = shown(state(source=moved), before)  # that of the project is stored again
    assert note == (
        "1 account must be connected again: user ann. "
        "Next: scout credentials connect hq --user ann --kind oauth2"
    )
    _, [both] = shown(state(source=moved, credential=None), before)
    assert both.startswith("2 accounts must be connected again: project river, user ann. Next: ")
    assert "--project river --kind oauth2" in both
    same_address = state(source=Item(fields={**HQ, "streams": ["cases"]}, address={"url": "a"}))
    assert shown(same_address, before)[1] == []


def test_links_whose_rules_change_are_those_of_a_changed_source_or_link():
    link = key("link", "river/hq")
    of_source = Item(fields={**HQ, "hash": {"cases": ["properties.phone"]}})
    of_link = Item(fields={**LINK, "exclude": {"cases": ["properties.village"]}})

    assert changed(state(), state()) == {}
    assert changed(state(link=of_link), state(link=None)) == {}  # nothing is loaded yet
    assert changed(state(link=of_link), state(link=of_link)) == {}
    rules = {
        "exclude_columns": {"cases": ["properties.village"]},
        "hash_columns": {"cases": ["properties.phone"]},
    }
    assert changed(state(source=of_source, link=of_link), state()) == {link: rules}
    without = {link: {"exclude_columns": {}, "hash_columns": {}}}
    assert changed(state(), state(source=of_source)) == without
