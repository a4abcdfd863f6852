"""Every run keeps its log: redacted, bounded, readable from elsewhere, gone with its data."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from uuid import UUID

import pytest
from scout_control.access.access import Access
from scout_control.access.identity import Identity
from scout_control.errors import ConflictError, NotFoundError
from scout_control.rules.permissions import Scope
from scout_control.runs.run_log import RunLogWriter
from scout_control.store import lookups, run_logs
from scout_control.store.locks import dataset_lock, try_locks
from scout_control.store.run_logs import CHUNK_CHARACTERS, FIRST_CHUNKS, LAST_CHUNKS
from support.workers import environment_of, wait_until

CHUNKS = "SELECT count(*) FROM scout_control.run_logs WHERE run_id = '{}'"
WRITE = """
    INSERT INTO scout_control.run_logs (run_id, attempt, chunk, lines) VALUES (:run, 1, 0, '')
"""
WORDS = "the key is canary; Authorization: Bearer abcdefghijk; {'name': 'Asha', 'age': 3}"


@pytest.fixture
def installation(shared_installation, tmp_path):
    """The installation of all tests here, with acts of this test's own."""
    made = replace(shared_installation, folder=tmp_path)
    made.act()
    return made


def scout(installation, *words, **options):
    command = [sys.executable, "-m", "scout_control", *words]
    environment = environment_of(installation.settings)
    return subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def texts(installation, run_id) -> str:
    return "\n".join(line.text for line in installation.scout.runs.logs(run_id))


def test_a_log_tells_what_scout_meltano_and_plugins_said_without_secrets(installation):
    installation.act(words=WORDS, exit=1)
    dataset = installation.dataset()
    run = installation.scout.run(dataset)
    lines = installation.scout.runs.logs(run.run_id)
    text = texts(installation, run.run_id)

    assert {line.source for line in lines} >= {"scout", "meltano", "tap-toy"}
    assert {line.source for line in lines} <= {
        *("scout", "meltano", "tap-toy", "target-scout-postgres"),
    }
    assert "Provisioning the dataset schema" in text
    assert "the key is ***" in text
    assert "Run failed after" in lines[-1].text
    assert not [each for each in ("canary", "abcdefghijk", "Asha") if each in text]
    assert [line.at for line in lines] == sorted(line.at for line in lines)

    assert installation.scout.runs.logs(run.run_id[:8]) == lines
    assert installation.scout.runs.logs(dataset) == lines
    for unknown in ("no such run", "ffff", "river/nothing"):
        with pytest.raises(NotFoundError):
            installation.scout.runs.logs(unknown)
    check_how_it_is_listed_and_shown(installation, dataset, run)


def check_how_it_is_listed_and_shown(installation, dataset, run):
    with scout(installation, "runs", "list", "--dataset", dataset) as listing:
        [_, row] = listing.stdout.read().splitlines()
    with scout(installation, "runs", "show", run.run_id[:8], "--json") as showing:
        document = json.loads(showing.stdout.read())
    with scout(installation, "runs", "show", dataset) as showing:
        shown = showing.stdout.read()

    assert row.split()[:3] == [run.run_id[:8], dataset, "failed"]
    assert run.error_message in row
    assert list(document["phase_seconds"]) == ["prepare", "load", "finish"]
    assert document["seconds"] == pytest.approx(sum(document["phase_seconds"].values()), abs=0.2)
    assert {"prepare", "load", "finish"} <= set(shown.split())
    assert f"scout runs logs {run.run_id}" in shown


def test_a_follower_sees_the_wait_for_a_worker_then_all_lines_and_the_exit_code(installation):
    installation.act(exit=65, words="a broken record")
    dataset = installation.dataset()
    run_id = installation.scout.runs.queue(dataset).run_id
    with scout(installation, "runs", "logs", run_id, "--follow", "--json") as follower:
        waiting = follower.stderr.readline()
        installation.scout.run(dataset)
        lines = [json.loads(line) for line in follower.stdout]
        code = follower.wait()

    assert "Waiting for a worker to start it" in waiting
    assert code == 65
    assert [line["text"] for line in lines] == [
        line.text for line in installation.scout.runs.logs(run_id)
    ]
    assert set(lines[0]) == {"at", "level", "source", "text"}


def test_a_killed_worker_leaves_its_log(installation):
    installation.act(words="a last word", seconds=120)
    dataset = installation.dataset()
    with scout(installation, "run", dataset) as worker:
        wait_until(lambda: installation.scout.runs.list(dataset=dataset))
        [run] = installation.scout.runs.list(dataset=dataset)
        # Less than a second after the tap said it: long before the run could end by itself.
        wait_until(lambda: "a last word" in texts(installation, run.run_id))
        worker.send_signal(signal.SIGKILL)
    assert installation.scout.runs.show(run.run_id).status == "running"
    assert "a last word" in texts(installation, run.run_id)

    installation.act()
    again = installation.scout.run(dataset)
    log = texts(installation, again.run_id)
    assert (again.run_id, again.attempt, again.status) == (run.run_id, 2, "completed")
    assert log.index("Attempt 1 on") < log.index("a last word") < log.index("Attempt 2 on")


@pytest.fixture
def written(installation):
    """A run whose log a test writes itself."""
    dataset = installation.dataset()
    run_id = installation.scout.runs.queue(dataset).run_id
    set_worker = f"UPDATE scout_control.runs SET worker = 'w' WHERE id = '{run_id}' RETURNING 1"
    installation.rows(dataset, set_worker)
    return SimpleNamespace(id=UUID(run_id), attempt=1, dataset=dataset)


def test_who_has_no_shell_is_told_no_folder_or_process_of_the_server(installation, written):
    scout, folder = installation.scout, installation.settings.project_root
    scout.people.add("ann", roles=["operator"])
    with RunLogWriter(scout.installation.store, written, "w") as log:
        log.say("Attempt 1 on worker-3.example.org:4711:0a1b2c3d.")
        log.say(f"cannot read {folder}/meltano.yml")
    access = Access(scout, Identity(person="ann", scope=Scope.READ))
    run = str(written.id)

    at_the_shell = texts(installation, run)
    listed = "\n".join(each.text for each in access.runs.logs(run))
    followed = "\n".join(each.text for each in access.runs.follow(run).read().lines)

    assert f"{folder}/meltano.yml" in at_the_shell
    assert "worker-3.example.org:4711" in at_the_shell
    for told in (listed, followed):
        assert "cannot read meltano.yml" in told
        assert not [each for each in (str(folder), "worker-3", "4711") if each in told]


def test_a_long_log_keeps_its_beginning_and_its_end(installation, written):
    store, line = installation.scout.installation.store, "x" * 1000
    with RunLogWriter(store, written, "w") as log:
        for number in range(3_000):
            log.say(f"{number} {line}")
            if number % 100 == 0:
                log._flush()
    [(chunks,)] = installation.rows(written.dataset, CHUNKS.format(written.id))
    lines = installation.scout.runs.logs(str(written.id))
    numbers = [line.text.split()[0] for line in lines]

    assert FIRST_CHUNKS + LAST_CHUNKS <= chunks <= FIRST_CHUNKS + LAST_CHUNKS + 1
    assert sum(len(line.text) for line in lines) < (chunks + 1) * (CHUNK_CHARACTERS + 1000)
    assert (numbers[1], numbers[-1]) == ("0", "2999")
    assert [line.text for line in lines].count(lines[0].gap("").text) == 1


def test_a_worker_that_lost_its_run_writes_nothing_more(installation, written):
    store = installation.scout.installation.store
    with RunLogWriter(store, written, "w") as log:
        log.say("mine")
    with RunLogWriter(store, written, "another") as log:
        log.say("not mine")
    text = texts(installation, str(written.id))

    assert "mine" in text.splitlines()
    assert "not mine" not in text


def test_lines_survive_a_store_that_is_away_for_a_while(installation, written, monkeypatch):
    store = installation.scout.installation.store
    log = RunLogWriter(store, written, "w")
    log.say("before")
    with monkeypatch.context() as away:
        away.setattr(run_logs, "SAVE", run_logs.text("SELECT 1 / 0"))
        log._flush()
    log.say("after")
    log.close()

    assert texts(installation, str(written.id)).splitlines() == ["before", "after"]


def test_dropping_a_dataset_removes_its_logs_and_time_does(installation):
    dataset = installation.dataset()
    run = installation.scout.run(dataset)
    assert installation.scout.runs.logs(run.run_id)
    store = installation.scout.installation.store
    with store.begin() as session:
        now = session.scalar(run_logs.text("SELECT now()"))
        run_logs.purge(session, now - timedelta(days=1))
    assert installation.scout.runs.logs(run.run_id)
    with store.begin() as session:
        run_logs.purge(session, now + timedelta(days=1))
    assert installation.scout.runs.logs(run.run_id) == ()

    with store.begin() as session:
        session.execute(run_logs.text(WRITE), {"run": run.run_id})
    installation.scout.datasets.drop(dataset)
    assert installation.rows(dataset, CHUNKS.format(run.run_id)) == [(0,)]
    assert installation.scout.runs.show(run.run_id).status == "completed"


def test_a_purge_of_the_owner_removes_the_logs(installation):
    dataset = installation.dataset("goes")
    run_id = installation.scout.runs.queue(dataset).run_id
    store = installation.scout.installation.store
    with store.begin() as session:
        session.execute(run_logs.text(WRITE), {"run": run_id})
    installation.scout.runs.cancel(run_id)
    installation.scout.purges.execute(project="goes")

    count = run_logs.text(CHUNKS.format(run_id))
    with store.begin() as session:
        assert session.scalar(count) == 0


def test_a_run_whose_dataset_is_in_use_says_so(installation):
    dataset = installation.dataset()
    found = installation.scout.runs.queue(dataset)
    store = installation.scout.installation.store
    with store.begin() as session:
        name = dataset_lock(lookups.dataset(session, dataset).id)
    with try_locks(store, name), pytest.raises(ConflictError, match="elsewhere"):
        installation.scout.run(dataset)
    run = installation.scout.runs.show(found.run_id)
    with scout(installation, "status", "--json") as asked:
        data = json.loads(asked.stdout.read())["synced_data"]

    assert run.status == "queued"
    assert "loaded or dropped by another process" in run.activity["wait"]["reason"]
    [shown] = [each["run"]["activity"] for each in data if each["path"] == dataset]
    assert shown == run.activity
