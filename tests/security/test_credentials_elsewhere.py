"""A login is sent only to the address for which its owner connected it."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime

import pytest
from scout_control.api.scout import Scout
from scout_control.credentials import renewal
from scout_control.errors import (
    ControlError,
    CredentialMissingError,
    CredentialRefusedError,
    SettingsError,
)
from scout_control.installation.encryption import generate
from scout_control.installation.settings import Settings
from scout_control.scheduler import maintenance
from scout_control.store.models import Credential, Dataset
from sqlalchemy import select, text
from support.preloaded import run_scout
from support.senders import sending
from support.workers import environment_of


@pytest.fixture(scope="module")
def place(postgres, tmp_path_factory):
    """One installation for all attacks: each makes its sources and projects."""
    with sending(postgres, tmp_path_factory.mktemp("senders")) as made:
        yield made


@pytest.fixture
def senders(place):
    """The installation, emptied of what the attack before it made."""
    yield place
    with place.scout.installation.store.engine.begin() as connection:
        for table in ("runs", "datasets", "project_sources", "credentials", "sources", "projects"):
            connection.execute(text(f"DELETE FROM scout_control.{table}"))
    place.home.caught.clear()
    place.elsewhere.caught.clear()


def refused(senders, path):
    """Run a dataset; return the run, which a person must reconnect for and which sent nothing."""
    run = senders.scout.run(path)
    assert run.status == "failed"
    assert senders.elsewhere.caught == []
    assert senders.home.caught == []
    return run


def elsewhere(senders):
    """Return settings by which a link would send a login to the other server."""
    url, port = senders.elsewhere.url, senders.elsewhere.server_port
    return [
        {"base_url": url},
        {"base_url": url.replace("http", "HTTP") + "/"},
        {"host": "127.0.0.1"},
        {"port": port},
        {"port": str(port)},
        {"proxy": url},
        {"verify_ssl": False},
        {"ca_file": "/tmp/ca.pem"},
        {"region_code": "other"},
        {"options": {"base_url": url}},
        {"options": {"network": [{"Proxy": "evil"}]}},
        {"options": json.dumps({"hostName": "evil"})},
        {"options": url},
        {"options": "evil.example.org:443"},
        {"options": "/etc/shadow"},
        {"options": ["~/.ssh/id_rsa"]},
        {"domain": "evil.example.org"},
        {"site_ids": [url]},
        {"batch_config": {"storage": {"root": "x"}}},
    ]


def test_a_link_cannot_change_the_address(senders):
    senders.source()
    senders.scout.projects.create("river")

    for config in elsewhere(senders):
        with pytest.raises(SettingsError, match="at the source") as told:
            senders.scout.sources.link("river", "hq", mode="project", config=config)
        assert "scout sources update hq" in told.value.remedy
    what = {
        "domain": "river-health",
        "start_date": "2026-01-31",
        "page_size": 50,
        "site_ids": ["a", "b"],
        "xmlns": ["http://openrosa.org/formdesigner/A"],
        "stream_maps": {"things": {"url": "record['id']"}},
        "datasets": ["things"],
    }
    assert senders.scout.sources.link("river", "hq", config=what).sync_config == what


def test_a_link_changed_in_the_store_sends_no_credential_elsewhere(senders):
    senders.source(base_url=None, config={"host": "127.0.0.1", "port": senders.home.server_port})
    path = senders.dataset()
    senders.connect(project="river")

    for config in [*elsewhere(senders)[:6], {"BASE-URL": senders.elsewhere.url}, {"_catalog": "x"}]:
        senders.sql(
            "UPDATE scout_control.project_sources SET sync_config = cast(:config AS jsonb)",
            config=json.dumps(config),
        )
        run = refused(senders, path)
        assert "may only select what is read" in run.error_message
    assert run.error_code == "VALIDATION_ERROR"


SPELLINGS = ["{0}/", "{0}/other/path", "HTTP{1}", "{0}"]


def test_equivalent_spellings_are_the_same_address(senders):
    senders.source()
    path = senders.dataset()
    key = senders.connect(project="river")
    url = senders.home.url

    for spelling in SPELLINGS:
        senders.scout.sources.update("hq", base_url=spelling.format(url, url[4:]))
        assert [each.status for each in senders.scout.credentials.list()] == ["connected"]
    assert senders.scout.run(path).status == "completed"
    assert set(senders.home.caught) == {key}


def test_a_changed_address_invalidates_credentials(senders):
    senders.source(client_id="id", client_secret="canary-secret")
    path = senders.dataset()
    senders.connect(project="river")
    senders.scout.credentials.save("hq", "oauth2", {"refresh_token": "canary"}, user="ann")
    senders.scout.projects.create("lake")
    never_connected = senders.dataset("lake")
    owned = {"project": "river", "user": "ann"}
    [planned] = senders.scout.plan(
        {"sources": {"hq": {"type": "sender", "base_url": senders.elsewhere.url}}}
    ).notes
    assert planned.startswith("2 accounts must be connected again: ")
    assert all(f"{owner} {name}" in planned for owner, name in owned.items())

    senders.scout.sources.update("hq", base_url=senders.elsewhere.url)

    assert senders.scout.datasets.show(never_connected).sync_error is None
    logins = senders.scout.credentials.list()
    assert {each.status for each in logins} == {"needs reconnect"}
    assert {each.last_error for each in logins} == {
        "The address of the source changed since this credential was connected."
    }
    dataset = senders.scout.datasets.show(path)
    assert (dataset.next_sync_at, dataset.sync_error) == (None, logins[0].last_error)
    assert refused(senders, path).error_code == "AUTH_TOKEN_EXPIRED"
    with pytest.raises(SettingsError, match="client secret of the source hq"):
        senders.scout.credentials.ask("hq", "http://127.0.0.1:1/callback")
    key = senders.connect(project="river")
    assert senders.scout.run(path).status == "completed"
    assert senders.elsewhere.caught == [key]


def test_a_silent_source_does_not_delay_its_removal(senders):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        senders.source("silent", base_url=url, client_id="id")
        for user in ("ann", "bob"):
            senders.scout.credentials.save(
                "silent", "oauth2", {"refresh_token": "canary"}, user=user
            )
        with senders.scout.installation.store.begin() as session:
            found = session.scalars(select(Credential)).all()
            grants = renewal.delete_credentials(
                session,
                senders.scout.installation.keyring,
                senders.scout.installation.plugins,
                found,
            )

        assert renewal.revoke_grants(grants, 2.0) == ["silent --user ann", "silent --user bob"]
        assert "canary" not in repr(grants)


def test_exit_codes_distinguish_credentials_from_settings(senders):
    senders.source()
    path = senders.dataset()
    senders.connect(project="river")
    senders.sql("UPDATE scout_control.sources SET base_url = :url", url=senders.elsewhere.url)

    def command(*words):
        done = run_scout(words, environment_of(senders.settings))
        return done.returncode, done.stderr

    code, told = command("run", path)
    assert code == 77
    assert "scout credentials connect hq --project river" in told
    assert command("credentials", "check", "hq", "--project", "river")[0] == 77
    link = ("sources", "link", "hq", "--project", "river")
    assert command(*link, "-c", f"base_url={senders.elsewhere.url}")[0] == 2
    home = senders.settings.make_home()
    target, log_link = home / "target", home / "link"
    target.write_text("kept")
    log_link.symlink_to(target)
    assert command("run", path, "--log-file", str(log_link))[0] == 2
    assert target.read_text() == "kept"
    assert senders.elsewhere.caught == senders.home.caught == []


def test_restoring_the_old_address_does_not_restore_credentials(senders):
    senders.source()
    path = senders.dataset()
    senders.connect(project="river")

    for url in (senders.elsewhere.url, senders.home.url):
        senders.scout.sources.update("hq", base_url=url)

    assert "no longer valid" in refused(senders, path).error_message


@pytest.mark.parametrize(
    "change",
    [
        "base_url = '{0}'",
        "base_url = 'https://127.0.0.1:{1}'",
        "base_url = 'http://127.0.0.1:{2}@127.0.0.1:{1}'",
        "base_url = '{3}?@127.0.0.1:{1}'",
        'base_url = null, config = \'{{"base_url": "{0}"}}\'',
        'config = \'{{"proxy": "{0}"}}\'',
        "config = '{{\"verify_ssl\": false}}'",
        'config = \'{{"host": "127.0.0.1", "port": {1}}}\'',
        'config = \'{{"base-url": "{0}"}}\'',
    ],
)
def test_a_source_changed_in_the_store_gets_no_credential(senders, change):
    senders.source(client_id="id", client_secret="canary-secret")
    path = senders.dataset()
    senders.connect(project="river")
    ports = senders.elsewhere.server_port, senders.home.server_port
    told = change.format(senders.elsewhere.url, *ports, senders.home.url)
    senders.sql(f"UPDATE scout_control.sources SET {told.replace(':', chr(92) + ':')}")

    run = refused(senders, path)
    with pytest.raises(CredentialRefusedError, match="scout credentials connect hq --project"):
        senders.scout.credentials.check("hq", project="river")
    with pytest.raises(SettingsError, match="Set it again"):
        senders.scout.credentials.ask("hq", "http://127.0.0.1:1/callback")

    assert run.error_code == "AUTH_TOKEN_EXPIRED"
    assert "address of the source changed" in run.error_message
    assert senders.elsewhere.caught == senders.home.caught == []


EXPIRED, MISSING = "AUTH_TOKEN_EXPIRED", "AUTH_TOKEN_MISSING"
COPY = "UPDATE scout_control.credentials AS mine SET secrets = theirs.secrets FROM "
# How a ciphertext gets into another row, and how the runs of hill/hq and hill/other end.
MOVES = {
    "to another owner": (
        [COPY + "scout_control.credentials AS theirs"
         " WHERE mine.project_id = 'hill' AND theirs.project_id = 'river'"],
        [EXPIRED, EXPIRED],
    ),
    "to a user": (
        ["UPDATE scout_control.credentials SET project_id = NULL, user_id = 'hill'"
         " WHERE project_id = 'river'"],
        [None, None],
    ),
    "by renaming its owner": (
        ["DELETE FROM scout_control.credentials WHERE project_id = 'hill'",
         "UPDATE scout_control.credentials SET project_id = 'hill' WHERE project_id = 'river'"],
        [EXPIRED, MISSING],
    ),
    "to another source": (
        [COPY + "scout_control.credentials AS theirs, scout_control.sources"
         " WHERE sources.id = mine.source_id AND sources.name = 'other'"
         " AND theirs.project_id = 'river'"],
        [None, EXPIRED],
    ),
    "from the client secret of its source": (
        [COPY.replace("theirs.secrets", "oauth_client_secret") + "scout_control.sources"
         " WHERE project_id = 'hill' AND oauth_client_secret IS NOT NULL"],
        [EXPIRED, EXPIRED],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("statements", "codes"), MOVES.values(), ids=MOVES.keys())
def test_a_ciphertext_moved_in_the_store_does_not_decrypt(senders, statements, codes):
    senders.source(client_id="id", client_secret="canary-secret")
    senders.source("other", base_url=senders.elsewhere.url)
    senders.dataset()
    stolen = senders.connect(project="river")
    paths = [senders.dataset("hill"), senders.dataset("hill", "other")]
    for source in ("hq", "other"):
        senders.connect(source, project="hill")
    for statement in statements:
        senders.sql(statement)

    ended = [senders.scout.run(path) for path in paths]
    sent = senders.home.caught + senders.elsewhere.caught

    assert [run.error_code for run in ended] == codes
    assert len(sent) == codes.count(None)
    assert stolen not in sent
    if codes == [None, None]:
        with pytest.raises(CredentialRefusedError):
            senders.scout.credentials.check("hq", user="hill")


def test_an_unbound_secret_is_refused(senders):
    senders.source()
    path = senders.dataset()
    senders.connect(project="river")
    plain = senders.scout.installation.keyring.encrypt({"api_key": "canary"})
    senders.sql("UPDATE scout_control.credentials SET secrets = :plain", plain=plain)

    senders.scout.init()

    assert "not bound" in refused(senders, path).error_message


def test_a_changed_database_address_invalidates_its_password(senders):
    scout, url = senders.scout, "postgresql://u:canary@127.0.0.1:1/far?sslmode=require"
    scout.connections.add("far", url, test=False)

    for change in ("port = 2", "host = '127.0.0.2'", "sslmode = 'disable'", "database = 'x'"):
        scout.connections.update("far", url=url, test=False)
        senders.sql(f"UPDATE scout_control.connections SET {change} WHERE name = 'far'")
        with pytest.raises(SettingsError, match="scout connections update far --url"):
            scout.connections.test("far")
    scout.connections.remove("far")


def test_key_rotation_keeps_bindings(senders):
    senders.source()
    path = senders.dataset()
    key = senders.connect(project="river")
    old, new = senders.settings.encryption_keys, generate()

    with with_keys(senders, new, old) as scout:
        assert scout.rotate_keys() >= 1
        assert scout.run(path).status == "completed"
        assert senders.home.caught == [key]
        senders.home.caught.clear()
        senders.sql("UPDATE scout_control.sources SET base_url = :url", url=senders.elsewhere.url)
        assert "address of the source" in str(scout.run(path).error_message)
    with with_keys(senders, old, new) as scout:
        scout.rotate_keys()
    assert "address of the source" in refused(senders, path).error_message


def test_a_token_is_renewed_and_revoked_only_at_its_issuer(senders):
    senders.source(client_id="id")
    senders.scout.credentials.save(
        "hq", "oauth2", {"refresh_token": "canary", "access_token": "canary"}, user="ann"
    )
    now = datetime.now(UTC)
    senders.sql("UPDATE scout_control.credentials SET token_expires_at = :now", now=now)
    senders.sql("UPDATE scout_control.sources SET base_url = :url", url=senders.elsewhere.url)

    assert maintenance.renew_tokens(senders.scout.installation, now) == {"refused": 1}
    assert senders.scout.credentials.revoke("hq", user="ann") is False
    assert senders.elsewhere.caught == []


def test_a_changed_address_aborts_authorization(senders):
    senders.source(client_id="id")
    request = senders.scout.credentials.ask("hq", "http://127.0.0.1:1/callback")
    senders.scout.sources.update("hq", base_url=senders.elsewhere.url)
    answer = f"http://127.0.0.1:1/callback?code=canary&state={request.state}"

    with pytest.raises(SettingsError, match="changed during"):
        senders.scout.credentials.answer("hq", request, answer, user="ann")
    assert senders.elsewhere.caught == []


def test_a_credential_cannot_contain_an_address(senders):
    senders.source()

    for more in ({"base_url": senders.elsewhere.url}, {"ca_file": "/etc/shadow"}):
        with pytest.raises(SettingsError, match="cannot be part of a credential"):
            senders.scout.credentials.save("hq", "settings", {"api_key": "x", **more}, user="ann")


def test_a_user_credential_requires_consent(senders):
    scout = senders.scout
    senders.source()
    scout.projects.create("river")
    key = senders.connect(user="ann")
    scout.sources.link("river", "hq", mode="user")
    path = scout.datasets.ensure("river", "hq", user="ann").path
    assert scout.datasets.show(path).agreed_at is not None
    assert scout.run(path).status == "completed"
    assert senders.home.caught == [key]
    senders.home.caught.clear()

    scout.sources.unlink("river", "hq")
    scout.sources.link("river", "hq", mode="user")
    scout.sources.link("river", "hq", mode="project")
    scout.sources.link("river", "hq", mode="user", config={"datasets": ["things"]})
    senders.connect(user="ann")
    assert scout.datasets.show(path).next_sync_at is None
    assert scout.tick()["queued"] == 0
    run = refused(senders, path)
    assert run.error_code == "AUTH_TOKEN_MISSING"
    assert "scout datasets ensure hq --project river --user ann" in run.error_message

    scout.datasets.ensure("river", "hq", user="ann")
    assert scout.run(path).status == "completed"
    scout.sources.unlink("river", "hq", drop=True)
    scout.projects.remove("river")
    scout.projects.create("river")
    scout.sources.link("river", "hq", mode="user")
    with pytest.raises(ControlError):
        scout.run(path)
    assert len(senders.home.caught) == 1
    with scout.installation.store.begin() as session:
        actions = session.scalars(
            text("SELECT action FROM scout_control.audit_events WHERE subject_kind = 'dataset'")
        ).all()
        assert session.scalars(select(Dataset)).all() == []
        assert len(session.scalars(select(Credential)).all()) == 1
    assert actions.count("agreed") == 2


def test_a_dataset_inserted_in_the_store_requires_consent(senders):
    scout = senders.scout
    senders.source()
    senders.connect(user="ann")
    path = senders.dataset()
    senders.sql("UPDATE scout_control.datasets SET user_id = 'ann'")

    assert refused(senders, f"{path}/ann").error_code == "AUTH_TOKEN_MISSING"
    assert CredentialMissingError.exit_code == 77
    assert scout.datasets.show(f"{path}/ann").agreed_at is None


def with_keys(senders, *keys):
    """Return the installation as a process with other keys has it."""
    return Scout(Settings(**{**vars(senders.settings), "encryption_keys": ",".join(keys)}))
