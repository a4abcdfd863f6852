"""Logins by key, password or token; keys that change under them."""

from __future__ import annotations

import threading

import pytest
from scout_control.api.scout import Scout
from scout_control.errors import NotFoundError, SettingsError
from scout_control.installation.encryption import generate
from scout_control.installation.settings import Settings
from scout_control.store import lookups
from sqlalchemy import text

CANARIES = ("canary-key", "canary-secret", "canary-password")


@pytest.fixture
def hq(scout):
    scout.sources.add("hq", "commcare", config={"domain": "river"}, client_secret=CANARIES[1])
    scout.sources.link("river", "hq", mode="project")
    fields = {"username": "ann@example.org", "api_key": CANARIES[0]}
    scout.credentials.save("hq", "api_key", fields, project="river")
    scout.connections.add("far", f"postgresql://scout:{CANARIES[2]}@db.example.org/far", test=False)
    return "hq"


def everything(scout):
    """Return the whole content of the store, as text."""
    with scout.installation.store.begin() as session:
        tables = session.scalars(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'scout_control'")
        ).all()
        rows = [
            row
            for table in tables
            for row in session.scalars(text(f'SELECT t::text FROM scout_control."{table}" AS t'))
        ]
    return "\n".join(rows)


def test_the_store_contains_no_plain_secret(scout, hq):
    stored = everything(scout)

    assert "ann@example.org" in stored
    assert [canary for canary in CANARIES if canary in stored] == []


def test_changing_the_description_keeps_the_password(scout, hq):
    changed = scout.connections.update("far", description="Far away")
    with scout.installation.store.begin() as session:
        url = scout.installation.server_url(lookups.connection(session, "far"))

    assert changed.description == "Far away"
    assert url == f"postgresql://scout:{CANARIES[2]}@db.example.org:5432/far"


def test_a_credential_of_the_wrong_kind_or_without_a_field_is_rejected(scout, hq):
    with pytest.raises(SettingsError, match="oauth2, api_key"):
        scout.credentials.save("hq", "settings", {}, project="river")
    with pytest.raises(SettingsError, match="lacks api_key"):
        scout.credentials.save("hq", "api_key", {"username": "ann"}, project="river")
    with pytest.raises(SettingsError, match="one project or to one user"):
        scout.credentials.save("hq", "token", {"access_token": "x"})
    with pytest.raises(NotFoundError):
        scout.credentials.save("hq", "token", {"access_token": "x"}, project="nobody")


def test_an_unknown_setting_is_rejected_with_the_known_ones(scout):
    with pytest.raises(SettingsError, match="no setting domian"):
        scout.sources.add("typo", "commcare", config={"domian": "river"})
    with pytest.raises(NotFoundError, match="tap-commcare"):
        scout.sources.add("other", "tap-unknown")


def test_keys_are_rotated_during_reads_and_writes(scout, hq, tmp_path):
    old = scout.installation.settings.encryption_keys
    both = f"{generate()},{old}"
    settings = Settings(**{**vars(scout.installation.settings), "encryption_keys": both})
    over, failures = threading.Event(), []

    def keep_connecting():
        with Scout(settings) as other:
            while not over.is_set():
                try:
                    fields = {"username": "ann@example.org", "api_key": CANARIES[0]}
                    other.credentials.save("hq", "api_key", fields, project="river")
                except Exception as error:  # noqa: BLE001 - whatever it is, the test fails of it
                    failures.append(error)

    workers = [threading.Thread(target=keep_connecting) for _ in range(4)]
    for worker in workers:
        worker.start()
    with Scout(settings) as rotating:
        changed = rotating.rotate_keys()
    over.set()
    for worker in workers:
        worker.join()
    only_new = Settings(**{**vars(settings), "encryption_keys": both.split(",", maxsplit=1)[0]})

    assert failures == []
    assert changed >= 2
    with Scout(only_new) as later:
        assert later.rotate_keys() == 0


@pytest.mark.parametrize("text", ["a\0b", "\udcff"])
def test_text_that_postgres_cannot_store_is_an_invalid_setting(scout, hq, text):
    for attempt in (
        lambda: scout.projects.create(text),
        lambda: scout.datasets.show(text),
        lambda: scout.sources.update(hq, config={"domain": text}),
        lambda: scout.datasets.search_path("river", user=text),
    ):
        with pytest.raises(SettingsError, match="Correct it"):
            attempt()


@pytest.mark.parametrize(
    "url",
    ["postgresql://u:p@h:port/x", "postgresql://u:p@[::1/x", "postgresql://u:\udcff@h/x", "x"],
)
def test_an_invalid_url_is_an_invalid_setting(scout, url):
    with pytest.raises(SettingsError, match="Write postgresql://"):
        scout.connections.add("other", url, test=False)


def test_an_invalid_base_url_is_an_invalid_setting(scout):
    with pytest.raises(SettingsError, match="Write https://"):
        scout.sources.add("odd", "commcare", base_url="http://[::1", config={"domain": "river"})


def test_an_owner_has_a_nonempty_id(scout, hq):
    scout.sources.add("own", "commcare", config={"domain": "river"})
    scout.sources.link("river", "own", mode="user")

    with pytest.raises(SettingsError, match="one project or to one user"):
        scout.credentials.save(hq, "token", {"access_token": "x"}, user="")
    with pytest.raises(SettingsError, match="Give --user"):
        scout.datasets.ensure("river", "own", user="")


def test_a_credential_cannot_change_settings_of_its_source(scout, hq):
    fields = {"username": "ann", "api_key": "x", "domain": "hill", "base_url": "https://a.example"}

    with pytest.raises(SettingsError, match="has no base_url, domain"):
        scout.credentials.save(hq, "api_key", fields, project="river")
