"""`scout.apply` makes what files describe, in a real store; a second time it writes nothing."""

from __future__ import annotations

import sys
import textwrap

import pytest
from scout_control.api.desired_state.execution import DONE, FAILED, SKIPPED
from scout_control.api.desired_state.problems import InvalidStateError
from scout_control.api.desired_state.service import Application
from scout_control.errors import ConflictError, CredentialRefusedError
from scout_control.store import connection_urls, locks
from scout_control.store.models import Run
from sqlalchemy import event


def state(installation, **projects):
    """Return a desired state of one source and some projects, all with one credential."""
    return {
        "sources": {
            "toy": {"type": "toy", "config": {"act": str(installation.folder / "act.json")}}
        },
        "projects": projects or {"river": {"sources": {"toy": {}}}},
        "credentials": [
            {
                "source": "toy",
                "projects": "all",
                "kind": "settings",
                "settings": {"key": {"env": "TOY_KEY"}},
            }
        ],
    }


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("TOY_KEY", "canary")


def events(installation):
    return installation.scout.audit.list(limit=1000)


def shown(plan):
    return [f"{each.action} {each.key}" for each in plan.changes]


def test_what_is_applied_runs_and_the_second_time_writes_nothing(installation):
    scout = installation.scout
    result = scout.apply(state(installation))

    assert shown(result.plan) == [
        "+ source toy",
        "+ project river",
        "+ link river/toy",
        "+ dataset river/toy",
        "+ credential river/toy",
    ]
    assert result.is_complete
    assert scout.run("river/toy").status == "completed"
    assert installation.told()[-1]["key"] == "canary"

    before = events(installation)
    again = scout.apply(state(installation))
    assert (again.plan.changes, again.outcomes) == ((), [])
    assert events(installation) == before


def test_an_account_is_tested_once_for_all_projects_and_not_stored_if_it_fails(installation):
    scout, tested = installation.scout, []
    application = Application(
        scout.installation,
        state(installation, **{name: {"sources": {"toy": {}}} for name in ("river", "lake")}),
    )
    installation.act(test=1, words="ERROR 401 Client Error: Unauthorized for canary")
    result = application.apply(application.plan(), on_test=tested.append)

    assert tested == [1]
    assert [str(each.change.key) for each in result.failures] == [
        "credential river/toy",
        "credential lake/toy",
    ]
    assert [each.is_repetition for each in result.failures] == [False, True]
    first, second = (each.message for each in result.failures)
    assert first.startswith("toy rejected the credential of the project river.")
    assert "1 other project with this account: lake." in first
    assert second.startswith("The same account failed the test for river. ")
    assert all("Nothing was stored." in each for each in (first, second))
    assert all(each.endswith("to store it untested: --no-test.") for each in (first, second))
    assert "canary" not in first + second
    assert scout.credentials.list() == []

    result = application.apply(application.plan())
    assert (tested, result.is_complete, len(scout.credentials.list())) == ([1], True, 2)
    refused_once_then_accepted(installation, application, tested)


def refused_once_then_accepted(installation, application, tested):
    """Let the source reject a credential that is stored; apply asks it again."""
    scout, lake = installation.scout, {"project": "lake"}
    assert application.plan().changes == ()
    with pytest.raises(CredentialRefusedError):
        scout.credentials.check("toy", **lake)
    again = ["~ credential lake/toy"]
    still = application.apply(application.plan(), on_test=tested.append)
    assert (shown(still.plan), still.is_complete, tested) == (again, False, [1, 1])
    assert "rejected the credential" in still.failures[0].message
    assert scout.credentials.show("toy", **lake).status == "needs reconnect"

    untested = application.apply(application.plan())
    assert (shown(untested.plan), untested.is_complete) == (again, True)
    assert scout.credentials.show("toy", **lake).status == "connected"
    with pytest.raises(CredentialRefusedError):
        scout.credentials.check("toy", **lake)
    installation.act()
    accepted = application.apply(application.plan(), on_test=tested.append)
    assert (shown(accepted.plan), accepted.is_complete, tested) == (again, True, [1, 1, 1])
    found = scout.credentials.show("toy", **lake)
    assert (found.status, found.last_error) == ("connected", None)
    assert application.plan().changes == ()


def test_one_credential_for_many_projects_is_a_record_of_its_own_for_each(installation):
    scout = installation.scout
    names = [f"p{number}" for number in range(3)]
    scout.apply(state(installation, **{name: {"sources": {"toy": {}}} for name in names}))

    found = scout.credentials.list()
    assert sorted(each.project for each in found) == names
    assert len({each.id for each in found}) == 3
    scout.credentials.revoke("toy", project="p1")
    plan = scout.plan(state(installation, **{name: {"sources": {"toy": {}}} for name in names}))
    assert shown(plan) == ["+ credential p1/toy"]


def test_a_plan_reads_as_many_statements_for_forty_projects_as_for_one(installation):
    scout, statements = installation.scout, []

    @event.listens_for(scout.installation.store.engine, "before_cursor_execute")
    def count(_connection, _cursor, statement, *_others):
        statements.append(statement)

    def reads(desired):
        statements.clear()
        assert scout.plan(desired).changes == ()
        return len(statements)

    one = state(installation)
    scout.apply(one)
    few = reads(one)
    forty = state(installation, **{f"p{n}": {"sources": {"toy": {}}} for n in range(40)})
    scout.apply(forty)

    assert reads(forty) == few
    assert few < 15


def test_changes_are_made_and_no_secret_is_shown(installation, monkeypatch):
    scout = installation.scout
    scout.apply(state(installation))
    monkeypatch.setenv("TOY_KEY", "canary-2")
    link = {
        "interval": "2d",
        "streams": ["things"],
        "keep": "30d",
        "readers": ["analyst"],
        "paused": True,
        "alias": "water",
    }
    changed = state(installation, river={"name": "River", "sources": {"toy": link}})
    result = scout.apply(changed)

    assert [each.as_dict()["fields"] for each in result.plan.changes] == [
        {"name": ["river", "River"]},
        {"interval": [24, 48], "streams": [[], ["things"]]},
        {
            "readers": [[], ["analyst"]],
            "keep": [None, "30d"],
            "paused": [False, True],
            "alias": [None, "water"],
        },
        {},
    ]
    assert result.plan.changes[-1].secrets == ("key",)
    assert "canary" not in str(result.as_dict()) + repr(result)
    assert "canary" not in str([each.as_dict() for each in events(installation)])
    assert scout.plan(changed).changes == ()
    dataset = scout.datasets.show("river/toy")
    assert (dataset.readers, dataset.is_paused, dataset.keep) == (["analyst"], True, "30d")
    assert dataset.alias == "water"
    assert scout.export().document["projects"]["river"]["sources"]["toy"]["alias"] == "water"

    fewer = scout.apply(state(installation))  # what files leave out goes back to its default
    assert [each.as_dict()["fields"] for each in fewer.plan.changes][:3] == [
        {"name": ["River", "river"]},
        {"interval": [48, 24], "streams": [["things"], []]},
        {"readers": [["analyst"], []], "keep": ["30d", None]},
    ]
    dataset = scout.datasets.show("river/toy")
    assert (dataset.is_paused, dataset.alias) == (True, "water")


def test_settings_that_a_source_no_longer_has_are_unset(installation):
    scout = installation.scout
    scout.apply(state(installation))
    without = state(installation)
    without["sources"]["toy"] = {"type": "toy", "client_id": "id", "streams": ["things"]}
    scout.apply(without)

    source = scout.sources.show("toy")
    assert (source.config, source.oauth_client_id) == ({"datasets": ["things"]}, "id")
    scout.apply(state(installation))
    source = scout.sources.show("toy")
    assert (list(source.config), source.oauth_client_id) == (["act"], None)


def test_mistakes_are_found_before_anything_is_changed(installation, monkeypatch):
    before = events(installation)
    monkeypatch.delenv("TOY_KEY")
    wrong = state(installation, river={"sources": {"toy": {"config": {"kee": 1}}}})
    with pytest.raises(InvalidStateError) as caught:
        installation.scout.apply(wrong)

    assert caught.value.exit_code == 2
    assert [each.split(": ")[1][:60] for each in caught.value.details] == [
        "projects.river.sources.toy.config.kee is not a setting of ta",
        "credentials[0].settings.key needs the environment variable T",
    ]
    assert events(installation) == before
    assert installation.scout.projects.list() == []


def test_a_failure_stops_only_what_depends_on_it(installation):
    # The server is found missing only when it is tried.
    desired = state(
        installation,
        lake={"connection": "broken", "sources": {"toy": {}}},
        river={"sources": {"toy": {}}},
    )
    server = {"host": "127.0.0.1", "port": 9, "user": "u", "password": {"env": "TOY_KEY"}}
    desired["connections"] = {"broken": server}
    seen = []
    result = installation.scout.apply(desired, on_outcome=seen.append)

    assert not result.is_complete
    assert seen == result.outcomes
    assert {str(each.change.key): each.status for each in result.outcomes} == {
        "connection broken": FAILED,
        "source toy": DONE,
        "project lake": SKIPPED,
        "project river": DONE,
        "link lake/toy": SKIPPED,
        "link river/toy": DONE,
        "dataset lake/toy": SKIPPED,
        "dataset river/toy": DONE,
        "credential lake/toy": SKIPPED,
        "credential river/toy": DONE,
    }
    assert "canary" not in str(result.as_dict())
    [failure] = result.failures
    assert "127.0.0.1:9" in failure.message


def test_pruning_needs_a_confirmation_and_drops_what_the_plan_said(installation):
    scout = installation.scout
    both = {"river": {"sources": {"toy": {}}}, "lake": {"sources": {"toy": {}}}}
    scout.apply(state(installation, **both))
    scout.run("lake/toy")
    only = state(installation, river=both["river"])

    assert scout.plan(only).changes == ()
    plan = scout.plan(only, prune=True)
    assert shown(plan) == ["- link lake/toy", "- credential lake/toy", "- project lake"]
    assert plan.removals[0].data == "3 rows of lake/toy"
    before = events(installation)
    with pytest.raises(ConflictError, match="3 objects would be removed"):
        scout.apply(only, prune=True)
    assert events(installation) == before
    a_run_in_progress_keeps_everything(scout, only)

    schema = scout.datasets.show("lake/toy").schema
    assert scout.apply(only, prune=True, may_remove=True).is_complete
    assert [each.id for each in scout.projects.list()] == ["river"]
    assert [each.project for each in scout.credentials.list()] == ["river"]
    statement = f"SELECT count(*) FROM pg_namespace WHERE nspname = '{schema}'"
    assert installation.rows("river/toy", statement) == [(0,)]


def a_run_in_progress_keeps_everything(scout, only):
    run = scout.runs.queue("lake/toy")
    with scout.installation.store.begin() as session:
        session.get_one(Run, run.run_id).status = "running"
    cancel = f"scout runs cancel {run.run_id}"
    [note] = scout.plan(only, prune=True).notes
    assert note.startswith("A run of lake/toy is in progress")
    assert note.endswith(cancel)
    more = only | {"projects": {**only["projects"], "pond": {}}}
    with pytest.raises(ConflictError, match="Nothing was changed") as refused:
        scout.apply(more, prune=True, may_remove=True)
    assert refused.value.remedy.endswith(cancel)
    assert [each.id for each in scout.projects.list()] == ["lake", "river"]
    assert scout.credentials.show("toy", project="lake").status == "connected"
    assert scout.links.show("lake", "toy").credential_mode == "project"
    with scout.installation.store.begin() as session:
        session.get_one(Run, run.run_id).status = "cancelled"


def test_another_database_is_added_changed_and_exported(installation, monkeypatch):
    url = installation.settings.database_url
    password = connection_urls.parse(url).password
    with_parameters = f"{url}&connect_timeout=20&options=-c%20jit%3Doff"
    monkeypatch.setenv("PASSWORD", password)
    monkeypatch.setenv("URL", with_parameters)
    scout = installation.scout
    desired = state(installation, river={"connection": "w", "sources": {"toy": {}}})
    desired["connections"] = {"w": {"url": {"env": "URL"}, "description": "first"}}
    assert scout.apply(desired).is_complete
    desired["connections"]["w"]["description"] = "second"
    assert shown(scout.apply(desired).plan) == ["~ connection w"]

    exported = scout.export()
    values = {"password": "PASSWORD", "key": "TOY_KEY"}
    secrets = {name: values[field] for name, (_, field) in exported.variables.items()}
    assert set(secrets) == {"W_PASSWORD", "TOY_KEY"}
    monkeypatch.setenv("W_PASSWORD", password)
    assert scout.plan(exported.document, prune=True).changes == ()
    # The parameters of a URL are kept, shown and exported, and removed with it.
    kept = {"connect_timeout": "20", "options": "-c jit=off"}
    assert scout.connections.show("w").parameters == kept
    assert exported.document["connections"]["w"]["parameters"] == kept
    monkeypatch.setenv("URL", f"{url}&connect_timeout=20")
    [changed] = scout.apply(desired).plan.changes
    assert changed.as_dict()["fields"] == {"parameters.options": ["-c jit=off", None]}
    assert scout.connections.show("w").parameters == {"connect_timeout": "20"}
    scout.connections.update("w", url=url, unset=[])  # what is not named stays
    assert scout.connections.show("w").parameters == {"connect_timeout": "20"}
    scout.connections.update("w", unset=["connect_timeout"])
    assert scout.connections.show("w").parameters == {}


def test_a_second_apply_at_the_same_time_is_refused(installation):
    application_lock = "scout apply"
    with locks.try_locks(installation.scout.installation.store, application_lock) as is_free:
        assert is_free
        with pytest.raises(ConflictError, match="Another scout apply is running"):
            installation.scout.apply(state(installation))
    assert installation.scout.projects.list() == []


def test_what_changed_since_the_plan_is_not_overwritten(installation):
    application = Application(installation.scout.installation, state(installation))
    plan = application.plan()
    installation.scout.projects.create("river", name="Other")
    with pytest.raises(ConflictError, match="changed since the plan"):
        application.apply(plan)
    assert [each.name for each in installation.scout.projects.list()] == ["Other"]


def test_ensure_takes_sections_and_a_program_gives_the_secret_of_a_file(installation, tmp_path):
    script = tmp_path / "secret"
    script.write_text(
        f"#!{sys.executable}\nimport os, sys\n"
        + textwrap.dedent("""
        assert "SCOUT_ENCRYPTION_KEYS" not in os.environ
        print("not this", file=sys.stderr)
        print(sys.argv[1])
    """)
    )
    script.chmod(0o755)
    (tmp_path / "keys.yaml").write_text(
        "credentials:\n- source: toy\n  projects: [river]\n  kind: settings\n"
        "  settings: {key: {command: [./secret, canary-3]}}\n"
    )
    desired = state(installation)
    del desired["credentials"]
    assert installation.scout.ensure(**desired).is_complete
    result = installation.scout.apply([str(tmp_path / "keys.yaml")])

    assert shown(result.plan) == ["+ credential river/toy"]
    again = state(installation)
    again["credentials"][0]["settings"]["key"] = {"command": ["echo", "canary-3"]}
    assert installation.scout.plan(again).changes == ()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["sh", "-c", "echo canary; exit 3"], "failed (exit code 3)"),
        (["sh", "-c", "echo canary >&2; exit 1"], "failed (exit code 1)"),
        (["yes", "canary"], "longer than"),
        (["true"], "is empty"),
        (["no-such-program"], "cannot be started"),
    ],
)
def test_a_program_that_gives_no_secret_is_named_without_what_it_printed(
    shared_installation, command, said
):
    desired = state(shared_installation)
    desired["credentials"][0]["settings"]["key"] = {"command": command}
    with pytest.raises(InvalidStateError) as caught:
        shared_installation.scout.plan(desired)

    [found] = caught.value.details
    assert f"needs the output of {command[0]}" in found
    assert said in found
    assert "canary" not in found
