"""The secrets of an installation of an older version are bound once, and work as before."""

from __future__ import annotations

import json
import uuid

import pytest
from scout_control.errors import SettingsError
from scout_control.installation import embedded_postgres
from scout_control.store import migrate
from scout_control.store.database import Store
from sqlalchemy import text
from support.senders import sending

ROWS = """
    INSERT INTO scout_control.connections (id, name, host, port, database, login) VALUES
        ('00000000-0000-0000-0000-000000000001', 'default', NULL, 5432, NULL, NULL),
        ('00000000-0000-0000-0000-000000000002', 'far', '127.0.0.1', 1, 'far', :far);
    INSERT INTO scout_control.sources (id, name, source_type, base_url, oauth_client_id,
        oauth_client_secret)
    VALUES ('00000000-0000-0000-0000-000000000003', 'hq', 'tap-sender', :url, 'id', :secret),
        ('00000000-0000-0000-0000-000000000004', 'gone', 'tap-gone', :url, 'id', :secret);
    INSERT INTO scout_control.projects (id, name, connection_id)
    VALUES ('river', 'River', '00000000-0000-0000-0000-000000000001');
    INSERT INTO scout_control.project_sources (id, project_id, source_id, credential_mode) VALUES
        ('00000000-0000-0000-0000-000000000005', 'river', '00000000-0000-0000-0000-000000000003',
         'user');
    INSERT INTO scout_control.credentials (source_id, user_id, kind, secrets) VALUES
        ('00000000-0000-0000-0000-000000000003', 'ann', 'settings', :key),
        ('00000000-0000-0000-0000-000000000003', 'lost', 'settings', :lost),
        ('00000000-0000-0000-0000-000000000004', 'ann', 'settings', :key);
    INSERT INTO scout_control.datasets (project_source_id, user_id, schema_name, owner) VALUES
        ('00000000-0000-0000-0000-000000000005', 'ann', :schema, :owner);
"""
OWNER = json.dumps(["user", "ann", "river", "00000000-0000-0000-0000-000000000003"])
SCHEMA = f"data_ann_sender_{uuid.uuid4().hex[:8]}"


def older(senders):
    """Create the store of an older version, with secrets that are not bound to anything."""
    site = senders.scout.installation
    migrate.migrate(site.store, "0005")
    values = {
        "far": site.keyring.encrypt({"user": "u", "password": "canary"}),
        "secret": site.keyring.encrypt({"client_secret": "canary"}),
        "key": site.keyring.encrypt({"api_key": "canary-key"}),
        "lost": b"not a ciphertext",
        "url": senders.home.url,
        "schema": SCHEMA,
        "owner": OWNER,
    }
    with site.store.engine.begin() as connection:
        for statement in ROWS.split(";\n"):
            if statement.strip():
                known = {name: each for name, each in values.items() if f":{name}" in statement}
                connection.execute(text(statement), known)
    with pytest.raises(SettingsError, match="hq --user lost"):
        senders.scout.init()
    assert migrate.version(site.store) == "0005"
    senders.scout.init(reset_unreadable=True)


@pytest.fixture(scope="module")
def senders(postgres, tmp_path_factory):
    with sending(postgres, tmp_path_factory.mktemp("older"), older) as made:
        yield made


def test_credentials_and_consents_survive_an_upgrade(senders):
    scout = senders.scout
    dataset = scout.datasets.show("river/hq/ann")

    assert (dataset.schema, dataset.agreed_at is not None) == (SCHEMA, True)
    assert scout.run("river/hq/ann").status == "completed"
    assert senders.home.caught == ["canary-key"]
    assert scout.credentials.ask("hq", "http://127.0.0.1:1/callback").state
    with scout.installation.store.begin() as session:
        stored = session.execute(text("SELECT secrets FROM scout_control.credentials")).scalars()
        bound = [
            scout.installation.keyring.open(each).identity is not None
            for each in stored
            if not scout.installation.keyring.open(each).is_reset
        ]
    assert bound == [True, True]


def test_a_secret_is_bound_once(senders):
    scout = senders.scout
    plain = scout.installation.keyring.encrypt({"client_secret": "canary"})
    senders.sql("UPDATE scout_control.sources SET oauth_client_secret = :plain", plain=plain)

    scout.init()

    with pytest.raises(SettingsError, match="not bound"):
        scout.credentials.ask("hq", "http://127.0.0.1:1/callback")


def test_a_migration_without_binding_is_refused(postgres):
    store = Store(embedded_postgres.create_database(postgres, f"control_{uuid.uuid4().hex[:10]}"))
    migrate.migrate(store, "0005")
    with store.engine.begin() as connection:
        connection.execute(
            text("INSERT INTO scout_control.service_logins VALUES ('role', 'secret')")
        )

    with pytest.raises(SettingsError, match="scout init"):
        migrate.migrate(store)
    assert migrate.version(store) == "0005"
    store.close()
