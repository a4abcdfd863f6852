"""Every role can read the catalogs of its database: they do not reveal whose data is where."""

from __future__ import annotations

import json
import re
from contextlib import closing

import psycopg2
import pytest
from psycopg2 import sql
from scout_control.datasets import schema_drop
from scout_control.errors import OwnershipError
from scout_control.installation.settings import Settings
from scout_control.rules.naming import is_owner, owner_digest
from scout_control.store.datasets import names
from scout_control.store.models import Dataset, Installation
from sqlalchemy import select
from support.senders import sending

USER, PROJECT = "ann.zyzzyva@example.org", "zyzzyva-clinic"
# All that a role without any right reads: names and comments of everything, and of other sessions.
CATALOGS = (
    "SELECT nspname FROM pg_namespace",
    "SELECT rolname FROM pg_roles",
    "SELECT description FROM pg_description",
    "SELECT description FROM pg_shdescription",
    "SELECT relname FROM pg_class",
    "SELECT proname FROM pg_proc",
    "SELECT application_name FROM pg_stat_activity",
    "SELECT unnest(setconfig) FROM pg_db_role_setting",
)
STATES = "SELECT state_id FROM scout_meltano.state"
COMMENTS = """
    SELECT obj_description(to_regnamespace(%(schema)s), 'pg_namespace')
     UNION ALL
    SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE starts_with(rolname, %(schema)s)
"""


def seen(senders):
    """Return what the catalogs say, as one text."""
    with closing(psycopg2.connect(senders.settings.database_url)) as opened:
        opened.autocommit = True
        cursor = opened.cursor()
        found = []
        for statement in (*CATALOGS, STATES):
            cursor.execute(statement)
            found += [str(value) for (value,) in cursor.fetchall()]
    return "\n".join(found)


def comments(senders, schema):
    with closing(psycopg2.connect(senders.settings.database_url)) as opened:
        cursor = opened.cursor()
        cursor.execute(COMMENTS, {"schema": schema})
        return {value for (value,) in cursor.fetchall() if value is not None}


@pytest.fixture(scope="module")
def senders(postgres, tmp_path_factory):
    with sending(postgres, tmp_path_factory.mktemp("names"), opaque_names=True) as made:
        yield made


@pytest.fixture(scope="module")
def loaded(senders):
    """A dataset of a user, loaded and asked; its path."""
    scout = senders.scout
    senders.source("zyzzyva-source")
    scout.projects.create(PROJECT)
    senders.connect("zyzzyva-source", user=USER)
    scout.sources.link(PROJECT, "zyzzyva-source", mode="user")
    path = scout.datasets.ensure(PROJECT, "zyzzyva-source", user=USER).path
    assert scout.run(path).status == "completed"
    assert scout.datasets.query(path, "SELECT count(*) FROM things").rows == [(1,)]
    return path


def test_catalogs_name_no_person_project_or_source(senders, loaded):
    schema = senders.scout.datasets.show(loaded).schema
    found = seen(senders)

    assert re.fullmatch(r"data_[0-9a-f]{16}", schema)
    assert schema in found
    assert "zyzzyva" not in found.lower()
    assert "sender" not in schema
    assert comments(senders, schema) == {owner_of(senders)}


def test_the_choice_is_stored_with_the_installation_and_shared_by_all_processes(senders, loaded):
    other = Settings(**{**vars(senders.settings), "opaque_names": None})
    with type(senders.scout)(other) as scout:
        scout.init()
        with scout.installation.store.begin() as session:
            assert session.scalars(select(Installation)).one().has_opaque_names
        senders.connect("zyzzyva-source", user="bob")
        made = scout.datasets.ensure(PROJECT, "zyzzyva-source", user="bob")
        again = scout.datasets.ensure(PROJECT, "zyzzyva-source", user="bob")

    assert re.fullmatch(r"data_[0-9a-f]{16}", made.schema)
    assert again.schema == made.schema != senders.scout.datasets.show(loaded).schema


def test_a_comment_of_an_older_version_is_accepted_and_replaced(senders, loaded):
    schema = senders.scout.datasets.show(loaded).schema
    was = json.dumps(["user", USER, PROJECT, "source"])
    with senders.scout.installation.store.begin() as session:
        session.scalars(select(Dataset).where(Dataset.user_id == USER)).one().owner = owner_digest(
            was
        )
    for kind, name in (("SCHEMA", schema), ("ROLE", f"{schema}_ro"), ("ROLE", f"{schema}_rw")):
        comment(senders, kind, name, was)

    assert senders.scout.run(loaded).status == "completed"
    assert comments(senders, schema) == {owner_of(senders)}

    comment(senders, "SCHEMA", schema, owner_digest(json.dumps(["user", "bob"])))
    assert "another owner" in senders.scout.run(loaded).error_message
    with senders.scout.installation.store.begin() as session:
        dataset = session.scalars(select(Dataset).where(Dataset.user_id == USER)).one()
    site = senders.scout.installation
    with pytest.raises(OwnershipError):
        schema_drop.check_droppable(site.server_url_of(dataset), names(dataset), force=True)
    assert not is_owner(None, dataset.owner)


def owner_of(senders):
    with senders.scout.installation.store.begin() as session:
        return session.scalars(select(Dataset).where(Dataset.user_id == USER)).one().owner


def comment(senders, kind, name, text):
    with closing(psycopg2.connect(senders.settings.database_url)) as opened, opened:
        statement = sql.SQL("COMMENT ON {} {} IS {}").format(
            sql.SQL(kind), sql.Identifier(name), sql.Literal(text)
        )
        opened.cursor().execute(statement)
