"""Keys that do not decrypt what is stored: nothing is lost unasked, and each loss has a command."""

from __future__ import annotations

import shlex
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import pytest
from scout_control.api import doctor, secret_checks
from scout_control.api.scout import Scout
from scout_control.datasets import hash_keys
from scout_control.errors import CredentialRefusedError, KeysUnusableError, SettingsError
from scout_control.installation import encryption, key_file, secret_context
from scout_control.installation.encryption import generate
from scout_control.installation.settings import Settings
from scout_control.store import datasets
from scout_control.store.models import Credential, Dataset, ServiceLogin
from sqlalchemy import select, text
from support.workers import LONGEST_SECONDS, wait_until

SECRETS = {
    "the password of the connection ware house",
    "the OAuth client secret of the source hq",
    "the credential for hq --project 'big river'",
    "the credential for hq --user ann",
}
COMMANDS = {
    "scout connections update 'ware house' --url",
    "scout sources update hq --client-secret-from-stdin",
    "scout credentials connect hq --project 'big river' --kind settings",
    "scout credentials connect hq --user ann --kind settings",
}


class KeyFileSettings(Settings):
    """Settings beside the embedded Postgres: the keys are in a file."""

    @property
    def key_file(self):
        return self.home / "encryption.keys"


@contextmanager
def with_key_file(installation, *keys):
    """The installation with a key file that has these keys, the first one first."""
    settings = KeyFileSettings(**vars(installation.settings) | {"encryption_keys": None})
    settings.make_home()
    settings.key_file.unlink(missing_ok=True)
    key_file.write_new(settings.key_file, list(keys))
    with Scout(settings) as scout:
        yield scout, settings.key_file


@pytest.fixture
def stored(installation, superuser_url):
    """An installation with one secret of each kind; and a dataset that is due."""
    scout = installation.scout
    scout.connections.add("ware house", with_host(superuser_url), test=False)
    scout.projects.create("big river")
    installation.act()
    config = {"act": str(installation.folder / "act.json")}
    scout.sources.add("hq", "tap-toy", config=config, client_id="id", client_secret="canary")
    scout.sources.link("big river", "hq", mode="project")
    scout.credentials.save("hq", "settings", {"key": "canary"}, project="big river")
    scout.credentials.save("hq", "settings", {"key": "canary"}, user="ann")
    scout.datasets.ensure("big river", "hq")
    return installation


def with_host(url):
    """Return a URL that a connection may have: one with a host, which need not answer."""
    return f"postgresql://someone:canary@127.0.0.1:9/{url.rpartition('/')[2].partition('?')[0]}"


@contextmanager
def with_keys(installation, *keys):
    settings = replace(installation.settings, encryption_keys=",".join(keys))
    with Scout(settings) as scout:
        yield scout


def findings(scout):
    return list(secret_checks.check(scout.installation))


def ciphertexts(installation):
    with installation.scout.installation.store.begin() as session:
        return session.scalars(select(Credential.secrets)).all()


def test_init_refuses_keys_that_decrypt_nothing_and_names_what_would_be_lost(stored):
    before = ciphertexts(stored)
    with with_keys(stored, generate()) as scout:
        with pytest.raises(SettingsError) as refused:
            scout.init()
        with pytest.raises(SettingsError, match="Nothing was changed"):
            scout.rotate_keys()

    assert all(name in refused.value.cause for name in SECRETS)
    assert "scout init --reset-unreadable" in refused.value.remedy
    assert "canary" not in str(refused.value)
    assert ciphertexts(stored) == before
    assert stored.scout.init()


def test_doctor_names_each_secret_and_the_command_that_stores_it_again(stored):
    with with_keys(stored, generate()) as scout:
        said = findings(scout)
        checks = doctor.CHECKS

        assert {each.finding.removeprefix("no configured key decrypts ") for each in said} == (
            SECRETS
        )
        assert {each.remedy.partition("again: ")[2] for each in said} == COMMANDS
        # What cannot be read stops no other check.
        for name, check in checks:
            if name in {"dataset schemas", "deletion", "readers", "connections", "servers"}:
                assert all(each.is_well for each in check(scout.installation)), name


def test_reset_deletes_what_cannot_be_read_and_everything_can_be_stored_again(
    stored, superuser_url
):
    with with_keys(stored, generate()) as scout:
        deleted = []
        scout.init(reset_unreadable=True, on_reset=deleted.append)
        assert {each.what for each in deleted} == SECRETS
        assert {each.command for each in deleted} == COMMANDS
        said = findings(scout)
        assert {each.remedy.partition("again: ")[2] for each in said} == COMMANDS
        assert all("was deleted" in each.finding for each in said)
        statuses = {each.status for each in scout.credentials.list()}
        assert statuses == {"needs reconnect"}
        assert scout.datasets.show("big river/hq").next_sync_at is None
        [shown] = scout.status().synced_data
        assert shown["reason"].startswith("No account is connected. The credential was deleted")
        assert shown["reason"].endswith("scout credentials connect hq --project 'big river'")
        with pytest.raises(CredentialRefusedError, match="was deleted"):
            scout.credentials.check("hq", project="big river")
        with pytest.raises(SettingsError, match="connections update 'ware house' --url"):
            scout.connections.test("ware house")

        scout.connections.update("ware house", url=with_host(superuser_url), test=False)
        scout.sources.update("hq", client_secret="canary")
        scout.credentials.save("hq", "settings", {"key": "again"}, project="big river")
        scout.credentials.save("hq", "settings", {"key": "again"}, user="ann")
        assert [each.is_well for each in findings(scout)] == [True]
        assert scout.datasets.show("big river/hq").next_sync_at is not None
        assert scout.init()


def test_a_wrong_first_key_with_the_right_one_second_loses_nothing(stored):
    wrong, right = generate(), stored.settings.encryption_keys
    with with_keys(stored, wrong, right) as scout:
        scout.init()
        [finding] = findings(scout)

    assert finding.is_well
    assert finding.finding == "all 4 decrypt, 4 of them only with an older key"
    assert "put the former key first" in finding.remedy


def test_a_half_rotated_store_is_completed_or_reset_where_it_must(stored):
    old, new = stored.settings.encryption_keys, generate()
    with with_keys(stored, new, old) as scout:
        # As a rotation that was interrupted leaves it.
        store = scout.installation.store
        with store.begin() as session:
            [first, _] = session.scalars(select(Credential).order_by(Credential.created_at)).all()
            first.secrets = scout.installation.keyring.rotate(first.secrets)
    with with_keys(stored, new) as scout:
        with pytest.raises(SettingsError) as refused:
            scout.init()
        assert "these stored secrets (3)" in refused.value.cause
        assert "--project 'big river'" not in refused.value.cause
    with with_keys(stored, new, old) as scout:
        assert scout.rotate_keys() == 3
    with with_keys(stored, new) as scout:
        scout.init()
        assert [each.finding for each in findings(scout)] == ["all 4 decrypt"]


def test_rotation_uses_the_new_key_that_a_person_has_put_first_in_the_key_file(stored):
    old, new = stored.settings.encryption_keys, generate()
    with with_key_file(stored, new, old) as (scout, file):
        assert scout.keys.plan_rotation().older_keys == 1
        done = scout.keys.rotate()
        assert (done.changed, done.file, done.added_key) == (4, str(file), False)
        assert file.read_text().split() == [new, old]
    # As the guide says: what the person has kept a copy of suffices.
    with with_key_file(stored, new) as (scout, file):
        scout.init()
        assert [each.finding for each in findings(scout)] == ["all 4 decrypt"]
        # Everything has the only key already: now a rotation makes another one, and says so.
        done = scout.keys.rotate()
        assert (done.changed, done.added_key, done.removed_keys) == (4, True, 0)
        added, kept = file.read_text().split()
        assert kept == new != added
    with with_keys(stored, added) as scout:
        assert [each.finding for each in findings(scout)] == ["all 4 decrypt"]


def test_old_keys_are_forgotten_only_when_nothing_needs_them(stored):
    old, new = stored.settings.encryption_keys, generate()
    with with_key_file(stored, new, generate(), old) as (scout, file):
        done = scout.keys.rotate(forget_old=True)
        assert (done.changed, done.added_key, done.removed_keys) == (4, False, 2)
        assert file.read_text().split() == [new]
    lost = generate()
    with with_key_file(stored, lost) as (scout, file):
        with pytest.raises(SettingsError, match="Nothing was changed"):
            scout.keys.rotate(forget_old=True)
        assert file.read_text().split() == [lost]


def test_init_makes_anew_what_control_minted_for_itself(stored):
    with stored.scout.installation.store.begin() as session:
        session.add(ServiceLogin(role="scout_meltano_of_before", secrets=b"of a lost key"))
    stored.scout.init()

    with stored.scout.installation.store.begin() as session:
        assert session.scalars(select(ServiceLogin)).all() == []


def test_a_reset_is_in_the_audit_trail_and_rotates_like_a_secret(stored):
    new, newer = generate(), generate()
    with with_keys(stored, new) as scout:
        scout.init(reset_unreadable=True)
        events = scout.audit.list(action="reset")
        assert {each.details["what"] for each in events} == SECRETS
    with with_keys(stored, newer, new) as scout:
        assert scout.rotate_keys() == 4
        assert len(findings(scout)) == 4


def test_a_dataset_whose_data_was_dropped_is_not_said_to_keep_some(stored):
    path = "big river/hq"
    store = stored.scout.installation.store
    with store.begin() as session:
        [dataset] = session.scalars(select(Dataset)).all()
        datasets.expire(session, dataset.id)
        datasets.record_removal(session, dataset.id)
    with with_keys(stored, generate()) as scout:
        scout.init(reset_unreadable=True)
        assert [each for each in doctor.deletions(scout.installation) if not each.is_well] == []
        assert scout.datasets.show(path).sync_error is None
        # Nor by other ways to lose a credential; a removal that is pending stays so.
        scout.credentials.save("hq", "settings", {"key": "again"}, project="big river")
        scout.credentials.revoke("hq", project="big river")
        assert scout.datasets.show(path).sync_error is None
        with store.begin() as session:
            datasets.record_removal(session, dataset.id, "a view depends on it")
        scout.credentials.save("hq", "settings", {"key": "again"}, project="big river")
        scout.credentials.revoke("hq", project="big river")
        assert scout.datasets.show(path).sync_error == "a view depends on it"


def test_the_password_of_readers_is_named_and_reset_with_the_others(stored):
    store = stored.scout.installation.store
    with store.begin() as session:
        [dataset] = session.scalars(select(Dataset)).all()
        context = secret_context.of_reader_login(dataset)
        fields = {"password": "canary"}
        dataset.reader_login = stored.scout.installation.keyring.encrypt(fields, context)
    with with_keys(stored, generate()) as scout:
        with pytest.raises(SettingsError) as refused:
            scout.init()
        assert {*SECRETS, context.subject} == set(
            refused.value.cause.partition("): ")[2].partition(". ")[0].split("; ")
        )
        scout.init(reset_unreadable=True)
        assert [each for each in findings(scout) if context.subject in each.finding] == []
        with store.begin() as session:
            assert session.scalar(select(Dataset.reader_login)) is None


def test_a_key_file_that_is_missing_is_not_made_again_where_secrets_are_stored(stored):
    file = stored.settings.home / "encryption.keys"
    settings = KeyFileSettings(**vars(stored.settings) | {"encryption_keys": None})
    with Scout(settings) as scout:
        queued = scout.runs.queue("big river/hq").run_id
        run, work = partial(scout.run, "big river/hq"), partial(scout.work, until_idle=True)
        for act in (scout.init, scout.rotate_keys, run, work, scout.tick):
            with pytest.raises(SettingsError) as refused:
                act()
            assert str(file) in refused.value.cause
            assert refused.value.exit_code == 2
            assert "scout init --reset-unreadable" in refused.value.remedy
        assert [each.status for each in scout.runs.list()] == ["queued"]
        assert not file.exists()
        # As the message says.
        file.parent.mkdir(exist_ok=True)
        encryption.create_file(file)
        scout.init(reset_unreadable=True)
        assert {each.remedy.partition("again: ")[2] for each in findings(scout)} == COMMANDS
    assert stored.scout.runs.show(queued).status == "queued"


def test_a_worker_whose_keys_fit_nothing_any_longer_stops_and_leaves_runs_queued(stored):
    old = stored.settings.encryption_keys
    with with_key_file(stored, old) as (scout, file), ThreadPoolExecutor(1) as pool:
        working = pool.submit(scout.work)
        wait_until(lambda: lanes(stored) or working.done())
        with with_keys(stored, generate(), old) as elsewhere:
            elsewhere.rotate_keys()
        file.unlink()
        queued = scout.runs.queue("big river/hq").run_id
        error = working.exception(LONGEST_SECONDS)
        assert isinstance(error, KeysUnusableError)
        assert str(file) in error.cause
        assert stored.scout.runs.show(queued).status == "queued"
        # The next worker takes it at once.
        with stored.scout.installation.store.begin() as session:
            assert session.scalar(text("SELECT count(*) FROM procrastinate_jobs"))


def lanes(installation):
    with installation.scout.installation.store.begin() as session:
        return session.scalar(text("SELECT count(*) FROM procrastinate_workers"))


def test_a_store_without_secrets_gets_its_key_file(installation):
    file = installation.settings.home / "encryption.keys"
    settings = KeyFileSettings(**vars(installation.settings) | {"encryption_keys": None})
    with Scout(settings) as scout:
        scout.init()

    assert file.exists()


def test_the_printed_commands_have_one_word_per_name(stored):
    with with_keys(stored, generate()) as scout:
        for each in findings(scout):
            words = shlex.split(each.remedy.partition("again: ")[2])
            assert words[0] == "scout"
            assert {"ware house", "big river", "ann", "hq"} & set(words)


@pytest.mark.parametrize("rows", ["{}", '{"things": 3}'], ids=["without data", "with data"])
def test_a_lost_hash_key_is_named_like_other_secrets_and_never_replaced_beside_data(stored, rows):
    dataset = stored.scout.datasets.show("big river/hq")
    dataset_id, what = uuid.UUID(dataset.id), f"hash key of {dataset.schema}"
    before = hash_keys.ensure(stored.scout.installation, dataset_id)
    with with_keys(stored, generate()) as scout:
        with scout.installation.store.begin() as session:
            session.execute(text("UPDATE scout_control.datasets SET row_counts = :r"), {"r": rows})
        with pytest.raises(SettingsError) as refused:
            scout.init()
        assert what in refused.value.cause
        [finding] = [each for each in findings(scout) if what in each.finding]
        again = f"scout datasets drop {dataset.schema} && scout run {dataset.schema}"
        assert finding.remedy.endswith(again)

        scout.init(reset_unreadable=True)
        if rows != "{}":
            with pytest.raises(SettingsError, match="other hashes than those that are loaded"):
                hash_keys.ensure(scout.installation, dataset_id)
            [finding] = [each for each in findings(scout) if what in each.finding]
            assert "was deleted" in finding.finding
            assert finding.remedy.endswith(again)
            scout.datasets.drop("big river/hq")
        made = hash_keys.ensure(scout.installation, dataset_id)
        assert made == hash_keys.ensure(scout.installation, dataset_id) != before
        assert [each for each in findings(scout) if what in each.finding] == []


def test_a_damaged_store_of_an_older_version_is_refused_before_its_upgrade(stored):
    with stored.scout.installation.store.engine.begin() as connection:
        connection.execute(text("UPDATE scout_control.credentials SET secrets = 'damaged'"))

    with pytest.raises(SettingsError, match=r"stored secrets \(2\)"):
        stored.scout.init()
