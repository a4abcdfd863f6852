"""Updates of links, sources, connections, projects and datasets change only what they name."""

from __future__ import annotations

import shlex
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from math import inf

import pytest
from scout_control.api import dataset_checks
from scout_control.errors import ConflictError, NotFoundError, SettingsError
from scout_control.store.models import Dataset, Project, SourceMetadata
from sqlalchemy import text
from support.workers import LONGEST_SECONDS

WAITING = text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE wait_event_type = 'Lock' AND datname = current_database()"
)
BEFORE = {"case_types": ["person"], "datasets": ["cases", "forms"]}


@pytest.fixture
def link(scout):
    return scout.links.add("river", "hq", mode="project", interval_hours=6, config=BEFORE)


def while_locked(scout, table, change, update):
    """Run an update while another transaction changes the row; return when both have ended."""
    store = scout.installation.store
    with ThreadPoolExecutor() as pool:
        with store.begin() as session:
            session.execute(text(f"UPDATE scout_control.{table} SET {change}"))
            done = pool.submit(update)
            until = time.monotonic() + LONGEST_SECONDS
            while not is_waiting(store) and not done.done():
                assert time.monotonic() < until
        return done.result()


def is_waiting(store):
    with store.begin() as session:  # a transaction sees the same activity all the time
        return session.scalar(WAITING) > 0


def test_linking_again_keeps_what_is_not_named(scout, link):
    again = scout.sources.link("river", "hq", interval_hours=12)

    assert again.id == link.id
    assert (again.credential_mode, again.refresh_interval_hours) == ("project", 12)
    assert again.sync_config == BEFORE
    assert scout.sources.link("river", "hq", config={"page_size": 5}).sync_config == {
        **BEFORE, "page_size": 5,
    }  # fmt: skip
    assert scout.sources.links("river") == scout.links.list(source="hq") != []


def test_an_update_changes_and_unsets_only_what_it_names(scout, link):
    changed = scout.links.update("river", "hq", config={"page_size": 5}, unset=["case_types"])
    assert changed.sync_config == {"page_size": 5, "datasets": BEFORE["datasets"]}
    assert (changed.credential_mode, changed.refresh_interval_hours) == ("project", 6)

    reset = scout.links.update("river", "hq", unset=["streams", "mode", "interval_hours"])
    assert (reset.credential_mode, reset.refresh_interval_hours) == ("user", 24)
    assert reset.sync_config == {"page_size": 5}
    assert scout.links.update("river", "hq").sync_config == {"page_size": 5}
    assert scout.links.show("river", "hq") == reset
    assert link.sync_config == BEFORE


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"unset": ["case_type"]}, "Did you mean case_types"),
        ({"unset": ["case_types"], "config": {"case_types": []}}, "set and unset at once"),
        ({"config": {"case_type": []}}, "Did you mean case_types"),
        ({"config": {"datasets": ["casess"]}}, "Did you mean cases"),
        ({"mode": "projct"}, "Did you mean project"),
        ({"interval_hours": 0}, "whole number of hours"),
    ],
)
def test_a_refused_update_changes_nothing(scout, link, wrong, words):
    with pytest.raises(SettingsError, match=words):
        scout.links.update("river", "hq", **{"interval_hours": 8} | wrong)

    assert scout.links.show("river", "hq") == link


def test_rules_for_columns_change_per_stream(scout, run, link):
    changed = scout.links.update(
        "river", "hq", exclude={"cases": ["a"], "forms": ["b"]}, hash={"cases": ["c"]}
    )
    assert changed.sync_config["exclude_columns"] == {"cases": ["a"], "forms": ["b"]}
    changed = scout.links.update("river", "hq", exclude={"cases": ["d"], "forms": []})
    assert changed.sync_config["exclude_columns"] == {"cases": ["d"]}
    assert changed.sync_config["hash_columns"] == {"cases": ["c"]}
    with pytest.raises(SettingsError, match=r"no stream casse\. Did you mean cases"):
        scout.links.update("river", "hq", exclude={"casse": ["a"]})
    assert scout.links.earlier_rows("river", "hq") == []

    words = ("links", "update", "hq", "--project", "river")
    changed = run(*words, "--unset", "hash", "--exclude", "cases.p.*x", "--exclude", "cases.y")
    assert changed["sync_config"] == {**BEFORE, "exclude_columns": {"cases": ["p.*x", "y"]}}
    assert changed["earlier_rows"] == []
    assert "earlier_rows" not in run(*words, "--interval-hours", "3")
    assert "is not STREAM.COLUMN" in run(*words, "--hash", "cases", code=2)


def test_a_link_is_added_once_and_found_by_both_names(scout, link):
    with pytest.raises(ConflictError, match="scout links update hq --project river"):
        scout.links.add("river", "hq")
    with pytest.raises(NotFoundError, match="hqq"):
        scout.links.update("river", "hqq", interval_hours=2)
    scout.links.remove("river", "hq")
    with pytest.raises(NotFoundError, match="river/hq"):
        scout.links.update("river", "hq", interval_hours=2)
    assert scout.links.list() == []

    assert scout.links.add("river", "hq") == link
    scout.sources.unlink("river", "hq", drop=True)
    fresh = scout.links.ensure("river", "hq")
    assert (fresh.credential_mode, fresh.sync_config) == ("user", {})


def test_concurrent_updates_keep_each_others_settings(scout, link):
    changed = while_locked(
        scout,
        "project_sources",
        """sync_config = sync_config || '{"page_size": 5}', refresh_interval_hours = 9""",
        lambda: scout.links.update("river", "hq", config={"overlap_seconds": 60}, mode="user"),
    )

    assert changed.sync_config == {**BEFORE, "page_size": 5, "overlap_seconds": 60}
    assert (changed.credential_mode, changed.refresh_interval_hours) == ("user", 9)
    assert link.id == changed.id

    source = while_locked(
        scout,
        "sources",
        """config = config || '{"page_size": 7}'""",
        lambda: scout.sources.update("hq", config={"strict": True}, unset=["domains"]),
    )
    assert source.config == {"domain": "river-health", "page_size": 7, "strict": True}


def test_a_source_loses_only_what_is_unset(scout):
    config = {"page_size": 5, "client_id": "tap", "datasets": ["cases"]}
    added = scout.sources.update(
        "hq", base_url="https://hq.example.org", config=config, client_id="c", client_secret="s"
    )
    assert (added.oauth_client_id, added.has_client_secret) == ("c", True)

    changed = scout.sources.update("hq", unset=["client_id", "streams"])
    assert changed.config == {"domain": "river-health", "page_size": 5}
    assert (changed.oauth_client_id, changed.has_client_secret) == (None, True)
    assert changed.base_url == "https://hq.example.org"
    changed = scout.sources.update("hq", unset=["base_url", "client_secret"])
    assert (changed.base_url, changed.has_client_secret) == (None, False)
    with pytest.raises(SettingsError, match="Did you mean base_url"):
        scout.sources.update("hq", unset=["baseurl"])
    with pytest.raises(SettingsError, match="set and unset at once"):
        scout.sources.update("hq", base_url="https://a.example.org", unset=["base_url"])


def test_a_setting_that_the_tap_no_longer_has_can_be_unset(scout, link):
    with scout.installation.store.begin() as session:
        for table, column in (("project_sources", "sync_config"), ("sources", "config")):
            change = f"""{column} = {column} || '{{"retired": 1}}'"""
            session.execute(text(f"UPDATE scout_control.{table} SET {change}"))

    with pytest.raises(
        SettingsError, match="scout links update hq --project river --unset retired"
    ):
        scout.links.update("river", "hq", interval_hours=2)
    assert scout.links.update("river", "hq", unset=["retired"]) == link
    assert "retired" not in scout.sources.update("hq", unset=["retired"]).config


def test_a_source_has_its_required_settings_from_the_beginning(scout, run):
    with pytest.raises(SettingsError, match="tap-commcare requires the setting domain or domains"):
        scout.sources.add("other", "commcare", config={"page_size": 5})
    with pytest.raises(SettingsError, match="requires the setting domain"):
        scout.sources.update("hq", unset=["domain"])
    moved = scout.sources.update("hq", config={"domains": ["a", "b"]}, unset=["domain"])
    assert moved.config == {"domains": ["a", "b"]}
    with scout.installation.store.begin() as session:
        session.execute(text("UPDATE scout_control.sources SET config = '{}'"))
    assert scout.sources.update("hq", config={"page_size": 5}).config == {"page_size": 5}

    add = ("sources", "add", "new", "--type", "commcare", "-c")
    assert "Did you mean domain?" in run(*add, "domian=river", code=2)
    assert "--config NAME=VALUE" in run(*add, "page_size=5", code=2)
    assert "address after /a/" in run(*add, "domain=https://www.commcarehq.org/a/x", code=2)
    assert "--allow-incomplete" in run(*add, "page_size=5", code=2)
    assert run(*add, "page_size=5", "--allow-incomplete")["config"] == {"page_size": 5}
    assert run("sources", "remove", "new", "--yes")["success"]
    assert run(*add, "domain=river")["config"] == {"domain": "river"}


def test_a_connection_keeps_what_its_new_url_does_not_name(scout):
    secret = "canary"
    scout.connections.add(
        "other",
        f"postgresql://u:{secret}@db.example.org:6000/data?sslmode=verify-full",
        description="Note",
        test=False,
    )

    moved = scout.connections.update("other", url="postgresql://v:w@new.example.org", test=False)
    assert (moved.host, moved.port, moved.database) == ("new.example.org", 5432, "v")
    assert (moved.sslmode, moved.description) == ("verify-full", "Note")

    kept = "sslrootcert=/etc/ca.pem&channel_binding=require"
    scout.connections.update("other", url=f"postgresql://v:w@h:6000/x?{kept}", test=False)
    moved = scout.connections.update("other", url="postgresql://v:w@[::1]:6000/x", test=False)
    assert moved.parameters == {"sslrootcert": "/etc/ca.pem", "channel_binding": "require"}
    whole = "postgresql://v:w@[::1]:6000/x"
    reset = scout.connections.update("other", url=whole, unset=["sslrootcert"], test=False)
    assert reset.parameters == {"channel_binding": "require"}
    scout.connections.update("other", url="postgresql://v:w@h:6000/x", test=False)
    with pytest.raises(SettingsError, match="password belongs to the present port"):
        scout.connections.update("other", unset=["port"], test=False)
    reset = scout.connections.update("other", unset=["database"], test=False)
    assert (reset.database, reset.sslmode) == ("v", "verify-full")
    whole = "postgresql://v:w@h:6000"
    reset = scout.connections.update("other", url=whole, unset=["sslmode"], test=False)
    assert (reset.host, reset.port, reset.database, reset.sslmode) == ("h", 6000, "v", None)
    assert reset.description == "Note"
    assert scout.connections.update("other", unset=["description"]).description == ""
    with scout.installation.store.begin() as session:
        row = session.scalars(text("SELECT id FROM scout_control.connections")).all()
        assert len(row) == 2
    with pytest.raises(SettingsError, match="Did you mean sslmode"):
        scout.connections.update("other", unset=["ssl_mode"])
    with pytest.raises(SettingsError, match="set and unset at once"):
        scout.connections.update(
            "other", url="postgresql://v:w@h/x?sslmode=require", unset=["sslmode"], test=False
        )
    with pytest.raises(ConflictError, match="SCOUT_DATABASE_URL"):
        scout.connections.update("default", unset=["sslmode"])


WEAKER = (
    ({"sslmode": "require"}, "sslmode"),
    ({"sslmode": "nonsense"}, "sslmode"),
    ({"parameters": {"sslmode": "disable"}}, "sslmode"),
    ({"parameters": {"sslmode": None}}, "sslmode"),
    ({"parameters": {"channel_binding": "prefer"}}, "channel_binding"),
    ({"parameters": {"channel_binding": None}}, "channel_binding"),
    ({"parameters": {"sslrootcert": "/tmp/mine.pem"}}, "sslrootcert"),
    ({"parameters": {"sslrootcert": None}}, "sslrootcert"),
    ({"parameters": {"sslcrl": "/tmp/empty.crl"}}, "sslcrl"),
    ({"parameters": {"require_auth": "password"}}, "require_auth"),
    ({"parameters": {"ssl_min_protocol_version": "TLSv1"}}, "ssl_min_protocol_version"),
    ({"parameters": {"gssencmode": "disable"}}, "gssencmode"),
    ({"host": "thief.example.org"}, "host"),
    ({"host": "db.example.org,thief.example.org"}, "host"),
    ({"port": 5433}, "port"),
    ({"user": "other"}, "user"),
)


def test_a_stored_password_is_sent_nowhere_else_and_never_less_protected(scout):
    kept = "sslmode=verify-full&sslrootcert=/etc/ca.pem&channel_binding=require"
    url = f"postgresql://u:canary@db.example.org:6000/data?{kept}"
    before = scout.connections.add("bound", url, test=False)
    update = scout.connections.update

    for parts, name in WEAKER:
        # Tested before anything is sent: the login of a test would send the password already.
        with pytest.raises(SettingsError, match=f"password belongs to the present {name} "):
            update("bound", parts=parts)
    for name in ("sslmode", "sslrootcert", "channel_binding", "port"):
        with pytest.raises(SettingsError, match=f"password belongs to the present {name} "):
            update("bound", unset=[name])
    assert scout.connections.show("bound") == before

    harmless = {"database": "other", "parameters": {"connect_timeout": 5, "options": None}}
    changed = update("bound", parts=harmless, description="x", test=False)
    assert (changed.database, changed.parameters["connect_timeout"]) == ("other", "5")
    assert "options" not in changed.parameters
    changed = update("bound", parts={"parameters": {"connect_timeout": None}}, test=False)
    assert changed.parameters == before.parameters
    with_password = {"parameters": {"sslrootcert": None}, "sslmode": "require", "password": "new"}
    changed = update("bound", parts=with_password, test=False)
    assert (changed.sslmode, changed.parameters) == ("require", {"channel_binding": "require"})
    stronger = {"sslmode": "verify-full"}
    assert update("bound", parts=stronger, test=False).sslmode == "verify-full"


@pytest.mark.parametrize(
    "parameters", [{"connect_timeout": True}, {"options": ["a"]}, {"options": {}}, {"none": None}]
)
def test_a_parameter_of_another_type_is_refused(scout, parameters):
    parts = {"host": "h", "user": "u", "password": "p", "parameters": parameters}
    with pytest.raises(SettingsError, match="parameter"):
        scout.connections.add("other", parts=parts, test=False)


def test_a_parameter_that_is_null_is_left_out(scout):
    parts = {"host": "h", "user": "u", "password": "p", "parameters": {"sslrootcert": None}}
    assert scout.connections.add("other", parts=parts, test=False).parameters == {}


def test_a_project_changes_its_connection_only_without_data(scout, link):
    scout.connections.add("other", "postgresql://u:p@h/x", test=False)
    dataset = scout.datasets.ensure("river", "hq")
    changed = scout.projects.update("river", name="River", connection="other", db_schema="lake")
    [event] = scout.audit.list(action="updated", project="river")
    assert {"name", "connection_id", "db_schema"} <= event.details["changes"].keys()
    assert (changed.name, changed.connection, changed.db_schema) == ("River", "other", "lake")

    with scout.installation.store.begin() as session:
        session.execute(text("UPDATE scout_control.datasets SET status = 'ready'"))
    with pytest.raises(ConflictError, match=f"scout datasets drop {dataset.path}"):
        scout.projects.update("river", unset=["connection"])
    assert scout.projects.update("river", db_schema="own").connection == "other"
    assert scout.projects.update("river", unset=["name", "schema"]).name == "river"
    assert scout.projects.show("river").db_schema == "public"
    with pytest.raises(SettingsError, match="Did you mean schema"):
        scout.projects.update("river", unset=["schemas"])


def test_a_dataset_changes_only_what_is_named(scout, link):
    path = scout.datasets.ensure("river", "hq").path

    assert scout.datasets.update(path, readers=["b", "a"]).readers == ["a", "b"]
    assert scout.datasets.update(path, is_paused=True).readers == ["a", "b"]
    assert scout.datasets.update(path, unset=["readers"]).is_paused
    assert not scout.datasets.update(path, unset=["paused"]).is_paused
    with pytest.raises(SettingsError, match="Did you mean readers"):
        scout.datasets.update(path, unset=["reader"])


def test_ids_are_checked_when_they_are_chosen(scout):
    for wrong in ("", "a/b", "a\nb", " a", "-a"):
        with pytest.raises(SettingsError, match="The id of a project must not"):
            scout.projects.create(wrong)
        with pytest.raises(SettingsError, match="The name of a source must not"):
            scout.sources.add(wrong, "commcare", config={"domain": "x"})
        with pytest.raises(SettingsError, match="The name of a connection must not"):
            scout.connections.add(wrong, "postgresql://u:p@h/x", test=False)
    with scout.installation.store.begin() as session:
        default = session.scalars(text("SELECT id FROM scout_control.connections")).one()
        session.add(Project(id="old id ", name="Old", connection_id=default))

    assert scout.projects.update("old id ", name="New").name == "New"


def test_commands_change_only_what_they_name(scout, run):
    link = ("hq", "--project", "river")
    added = run(
        "links", "add", *link, "--mode", "project", "--stream", "cases", "-c", "page_size=5"
    )
    assert added["dataset"] == "river/hq"
    changed = run("sources", "link", *link, "--interval-hours", "6")
    assert changed == added | {"refresh_interval_hours": 6}
    changed = run("links", "update", *link, "--unset", "streams", "--unset", "page_size")
    assert (changed["credential_mode"], changed["sync_config"]) == ("project", {})
    assert "Did you mean page_size" in run("links", "update", *link, "--unset", "pagesize", code=2)
    assert "already linked" in run("links", "add", *link, code=1)
    shown = run("links", "show", *link)
    assert run("links", "list") == run("sources", "links") == [shown]

    assert run("sources", "update", "hq", "-c", "page_size=7")["config"]["page_size"] == 7
    assert "page_size" not in run("sources", "update", "hq", "--unset", "page_size")["config"]
    assert run("projects", "add", "lake")["id"] == "lake"
    assert run("projects", "update", "lake", "--name", "Lake")["name"] == "Lake"
    assert run("connections", "update", "default", "--description", "Here")["description"] == "Here"
    assert run("connections", "update", "default", "--unset", "description")["description"] == ""
    assert run("datasets", "update", "river/hq", "--reader", "ro", "--paused")["readers"] == ["ro"]
    assert run("datasets", "update", "river/hq", "--not-paused")["readers"] == ["ro"]
    for words in (("links", "remove"), ("sources", "unlink")):
        said = run(*words, *link, "--drop", code=2)
        assert "Remove the link of river to hq, and drop its data? No one could be asked" in said
    assert run("sources", "links") == [shown]
    assert "It is linked to: river" in run("sources", "remove", "hq", "--yes", code=1)
    assert run("sources", "unlink", *link)["success"]
    assert run("sources", "links") == []
    run("links", "add", "hq", "--project", "lake")
    assert run("links", "remove", "hq", "--project", "lake", "--drop", "--yes")["success"]
    removed_once_that_is_confirmed(scout, run)


def test_a_plan_refuses_what_apply_would_refuse(scout, run, tmp_path):
    catalog = {"cases": {"key": ["id"], "schema": {"properties": {"id": {}, "properties": {}}}}}
    scout.links.add("river", "hq", mode="project", exclude={"cases": ["gone"]})
    with scout.installation.store.begin() as session:
        source = session.scalars(text("SELECT id FROM scout_control.sources")).one()
        document = {"streams": catalog}
        session.add(SourceMetadata(source_id=source, project_id="river", document=document))
    before, file = scout.audit.list(limit=100), tmp_path / "scout.yaml"
    link = "projects:\n  river:\n    sources:\n      hq:\n        interval: 6h\n        exclude: "
    file.write_text(link + "{cases: [gone, propertis.village]}\n")

    for words in (("apply", str(file), "--plan"), ("apply", str(file))):
        said = run(*words, code=2)
        assert f"{file}, line 6: " in said
        assert "cases has no column propertis. Did you mean properties?" in said
    assert scout.audit.list(limit=100) == before
    file.write_text(link + "{cases: [gone, properties.village]}\n")
    assert "To be added: 1, changed: 1." in run.text("apply", str(file), "--plan")
    assert "Done: 2 of 2 changes." in run.text("apply", str(file))


def test_a_new_address_tells_whom_to_connect_again(scout, run):
    fields = {"username": "me", "api_key": "canary"}
    scout.credentials.save("hq", "api_key", fields, project="river")
    moved = ("sources", "update", "hq", "--base-url", "https://hq.example.org")
    said = run.text(*moved)

    assert "1 account must be connected again: project river.\n" in said
    assert "Next: scout credentials connect hq --project river --kind api_key\n" in said
    assert "canary" not in said
    assert "connected again" not in run.text(*moved)  # the address is the same


def removed_once_that_is_confirmed(scout, run):
    scout.sources.add("copy", "commcare", config={"domain": "river-health"})
    scout.connections.add("spare", "postgresql://u:canary@db.example.org/x", test=False)
    for noun, name, question in (
        ("connections", "spare", "Remove the connection spare with its login?"),
        ("sources", "copy", "Remove copy with 0 credentials?"),
    ):
        said = run(noun, "remove", name, code=2)
        assert f"{question} No one could be asked; nothing was changed. Confirm" in said
        assert run(noun, "show", name)["name"] == name
        assert run(noun, "remove", name, "--yes")["success"]
        run(noun, "show", name, code=3)


def test_every_noun_of_the_python_interface_has_the_same_verbs(scout):
    nouns = (
        scout.connections, scout.sources, scout.links, scout.projects, scout.datasets,
        scout.credentials,
    )  # fmt: skip
    for noun in nouns:
        for verb in ("list", "show", "remove"):
            assert callable(getattr(noun, verb)), (noun, verb)
    for noun in nouns[:5]:
        assert callable(noun.update)
    assert scout.projects.add("lake").id == "lake"
    assert callable(scout.models.list)
    assert callable(scout.models.show)


def test_a_credential_is_shown_without_its_secret(scout, run):
    owner = ("--project", "river")
    assert "scout credentials connect hq --project river" in run(
        "credentials", "show", "hq", *owner, code=77
    )
    scout.credentials.save(
        "hq", "api_key", {"username": "ann", "api_key": "canary"}, project="river"
    )

    shown = run("credentials", "show", "hq", *owner)
    assert (shown["account"], shown["kind"]) == ("ann", "api_key")
    assert "canary" not in str(shown)
    remove = ("credentials", "remove", "hq", *owner)
    said = run(*remove, code=2)
    assert "Delete the credential of the project river for hq? No one could be asked" in said
    assert run("credentials", "show", "hq", *owner) == shown
    assert run(*remove, "--yes")["success"]
    assert run("credentials", "list") == []
    assert "No account of the project river is connected" in run(*remove, code=77)


def test_an_unlinked_source_with_data_is_named_and_one_without_is_in_nobodys_way(scout, run, link):
    scout.projects.create("lake")
    scout.links.add("lake", "hq", mode="project")
    dataset = scout.datasets.ensure("lake", "hq")
    scout.datasets.ensure("river", "hq")
    with scout.installation.store.begin() as session:
        row = session.get(Dataset, uuid.UUID(dataset.id))
        row.status, row.last_sync_at = "ready", row.last_activity_at
        row.row_counts, row.keep_hours = {"cases": 1200, "forms": 34}, inf
    command = "scout links remove hq --drop --project lake"
    said = run.text("links", "remove", "hq", "--project", "lake")
    assert "Its data remains, 1,234 rows in lake/hq, and is kept forever." in said
    assert command in said
    assert run("links", "remove", "hq", "--project", "river")["remaining"] == []
    assert_unlinked_is_not_fine(scout, run)
    # Whatever becomes of the account.
    key = {"username": "me", "api_key": "canary"}
    scout.credentials.save("hq", "api_key", key, project="lake")
    scout.credentials.revoke("hq", project="lake")
    assert_unlinked_is_not_fine(scout, run)

    listed = run.text("links", "list", "--project", "lake")
    assert "None yet." in listed
    assert "hq was unlinked from lake, its data is still there" in listed
    assert command in listed
    assert "unlinked" not in run.text("links", "list", "--project", "river")
    for words in (("projects", "remove", "lake", "--yes"), ("sources", "remove", "hq", "--yes")):
        said = run(*words, code=1)
        assert "nlinked" in said
        assert command in said
        assert "linked source" not in said

    scout.projects.remove("river")
    with scout.installation.store.begin() as session:
        row = session.get(Dataset, uuid.UUID(dataset.id))
        row.status, row.sync_error = "expired", None
    assert scout.links.unlinked() == []
    assert run("projects", "remove", "lake", "--yes")["success"]


def assert_unlinked_is_not_fine(scout, run):
    """Of two unlinked datasets, the one that holds data is named wherever datasets are."""
    with_data, empty = scout.status().synced_data
    assert (with_data["path"], with_data["condition"]) == ("lake/hq", "unlinked")
    assert (with_data["health"], with_data["next_sync_at"]) == ("attention", None)
    assert "scout links add hq --project lake" in with_data["reason"]
    assert (empty["path"], empty["condition"], empty["health"]) == ("river/hq", "unlinked", "fine")
    assert empty["reason"] is None
    check = run.text("status", "--check", code=1)
    assert check.startswith("WARNING - 1 of 2 datasets needs attention: lake/hq: Unlinked: ")
    assert "unlinked=2" in check
    for words in (("status", "--all"), ("status",), ("datasets", "list")):
        shown = run.text(*words)
        assert "unlinked" in shown
        assert "disconnected" not in shown or words == ("datasets", "list")
        assert "next" not in shown or "next sync at" in shown
    [finding] = dataset_checks.unlinked(scout.installation)
    assert "lake/hq" in finding.check
    assert "is kept forever" in finding.finding
    assert "scout links remove hq --drop --project lake" in finding.remedy


def test_a_project_is_removed_with_its_credentials_once_that_is_confirmed(scout, run, link):
    key = {"username": "me", "api_key": "canary"}
    for project in ("river", "lake"):
        if project == "lake":
            scout.projects.create(project)
        scout.credentials.save("hq", "api_key", key, project=project)
    said = run("projects", "remove", "river", "--yes", code=1)
    assert "has 1 linked source: hq." in said
    assert "scout links remove hq --drop --project river" in said
    assert "scout purge --project river" in said

    scout.links.remove("river", "hq", drop=True)
    with pytest.raises(ConflictError, match="has 1 credential: hq") as refused:
        scout.projects.remove("river")
    assert "scout credentials revoke hq --project river" in refused.value.remedy
    said = run("projects", "remove", "river", code=2)
    assert "Remove river with 1 credential (hq)? No one could be asked" in said
    assert "Confirm with --yes." in said
    assert scout.credentials.list(project="river") != []

    assert run("projects", "remove", "river", "--yes")["success"]
    assert [each.project for each in scout.credentials.list()] == ["lake"]
    events = [(each.action, each.subject_kind) for each in scout.audit.list(project="river")][:2]
    assert events == [("removed", "project"), ("revoked", "credential")]


def test_a_link_without_a_required_setting_is_refused_with_the_command(scout, run):
    scout.sources.add("hqb", "commcare", may_be_incomplete=True)
    owner = ("--project", "river")
    key = ("--kind", "api_key", "--username", "me", "--from-env", "KEY")
    run.environment["KEY"] = "canary"
    command = "scout links add hqb --project river --mode project -c domain=VALUE"
    said = run("links", "add", "hqb", *owner, "--mode", "project", code=2)
    assert "requires the setting domain or domains, which neither the source hqb nor" in said
    assert command in said
    assert "None yet." in run.text("links", "list")
    said = run("credentials", "connect", "hqb", *owner, *key, code=2)
    assert command in said
    assert "Nothing was stored." in said

    run(*shlex.split(command)[1:-1], "domain=river-health")
    run("sources", "update", "hqb", "-c", "domain=other")
    assert run("sources", "update", "hqb", "--unset", "domain")["config"] == {}  # its link has it
    update = ("links", "update", "hqb", *owner)
    command = "scout links update hqb --project river -c domain=VALUE"
    assert command in run(*update, "--unset", "domain", code=2)
    # One from before this check can be changed otherwise, and completed by the command.
    with scout.installation.store.begin() as session:
        session.execute(text("UPDATE scout_control.project_sources SET sync_config = '{}'"))
    assert run(*update, "--interval-hours", "5")["refresh_interval_hours"] == 5
    assert command in run("credentials", "connect", "hqb", *owner, *key, code=2)
    assert run(*shlex.split(command)[1:])["sync_config"] == {"domain": "VALUE"}


def test_messages_name_what_exists_already_and_what_may_be_meant(scout, run):
    url = scout.installation.settings.database_url
    scout.links.add("river", "hq", mode="project")
    scout.datasets.ensure("river", "hq")
    scout.connections.add("far", "postgresql://me:canary@127.0.0.1:9/x", test=False)
    for words, taken in (
        (("projects", "create", "river"), "The project river already exists."),
        (("sources", "add", "hq", "--type", "commcare", "-c", "domain=x"), "The source hq already"),
    ):
        said = run(*words, code=1)
        assert taken in said
        assert f"scout {words[0]} update {words[2]}" in said
    with pytest.raises(ConflictError, match="The connection far already exists"):
        scout.connections.add("far", url, test=False)

    for words, meant in (
        (("datasets", "show", "river/nope"), "Did you mean river/hq?"),
        (("datasets", "show", "hq"), "Did you mean river/hq?"),
        (("projects", "show", "rivr"), "Did you mean river?"),
        (("status", "--project", "rivr"), "Did you mean river?"),
        (("sources", "show", "hqq"), "Did you mean hq?"),
        (("connections", "show", "farr"), "Did you mean far?"),
    ):
        assert f"{meant} See: scout" in run(*words, code=3)
    said = run("datasets", "show", "other/nothing", code=3)
    assert "exists. See: scout datasets list" in said
