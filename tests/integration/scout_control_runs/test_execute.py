"""A run from the queue to its end, with a real Meltano and a real target."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
import threading
import uuid
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psutil
import psycopg2
import pytest
from scout_control.api import dataset_checks
from scout_control.api.desired_state.problems import InvalidStateError
from scout_control.errors import ConflictError, NotFoundError, RunPausedError, SettingsError
from scout_control.meltano import workdir
from scout_control.store.models import Run
from sqlalchemy import update
from support.workers import LONGEST_SECONDS, environment_of, is_alive, wait_until


@pytest.fixture
def installation(shared_installation, tmp_path):
    """The shared installation, with the tap actions of this test."""
    made = replace(shared_installation, folder=tmp_path)
    made.act()
    return made


def test_a_run_loads_counts_rows_and_keeps_the_catalog(installation):
    dataset = installation.dataset()
    steps = []
    run = installation.scout.run(dataset, on_progress=lambda step: steps.append(step.phase))
    found = installation.scout.datasets.show(dataset)

    assert (run.status, run.error_code, run.rows_loaded) == ("completed", None, {"things": 3})
    [things] = run.result["sources"].values()
    rows = {"rows": 3, "rows_in_table": 3}
    assert things == {"status": "loaded", "state": "loaded", "is_selected": True, **rows}
    assert (found.status, found.row_counts) == ("ready", {"things": 3})
    assert timedelta(hours=21) < found.next_sync_at - datetime.now(UTC) <= timedelta(hours=24)
    phases = ["started", "provisioning", "discovering", "loading", "finishing"]
    assert list(dict.fromkeys(steps)) == phases
    assert list(installation.scout.datasets.describe(dataset)["streams"]) == ["things"]
    assert installation.rows(dataset) == [(3,)]


def test_a_schema_dropped_outside_of_control_is_loaded_in_full(installation):
    dataset = installation.dataset()
    schema = installation.scout.run(dataset).schema
    installation.rows(dataset, f'DROP SCHEMA "{schema}" CASCADE; SELECT')
    again = installation.scout.run(dataset)

    assert (again.status, installation.rows(dataset)) == ("completed", [(3,)])
    assert installation.told()[-1]["state"] == {}


def test_a_selected_stream_that_discovery_does_not_find_is_reported(installation):
    dataset, sources = installation.dataset(), installation.scout.sources
    source = dataset.split("/")[1]
    sources.link("river", source, mode="project", config={"datasets": ["things", "nope"]})
    run = installation.scout.run(dataset)

    assert (run.status, run.error_code) == ("partial", "VALIDATION_ERROR")
    assert "no stream nope; it has things" in run.error_message
    with pytest.raises(SettingsError, match="no stream nope"):
        sources.link("river", source, config={"datasets": ["nope"]})


def test_a_keyless_stream_is_replaced_unless_the_link_says_append(installation, tmp_path):
    dataset, links = installation.dataset(), installation.scout.links
    installation.act(key=[])
    source = dataset.split("/")[1]
    for config, rows, how in [
        ({}, 3, "replaced"),
        ({}, 3, "replaced"),
        ({"keyless_streams": "append"}, 6, "appended"),
        ({"keyless_streams": "append", "keyless_overrides": {"things": "replace"}}, 3, "replaced"),
        ({"keyless_overrides": {"things": "append"}}, 6, "appended"),
    ]:
        links.update("river", source, unset=["keyless_streams", "keyless_overrides"])
        links.update("river", source, config=config)
        log = tmp_path / f"{len(list(tmp_path.iterdir()))}.log"
        assert installation.scout.runs.execute(dataset, log_file=log).status == "completed"
        assert (installation.rows(dataset), how in log.read_text()) == ([(rows,)], True)


def test_hostile_ids_get_separate_valid_schemas(installation):
    hostile = ['a"; DROP SCHEMA public; --', "é" * 200, "a'b\\c %s {x}", "A", "a"]
    datasets = [installation.dataset(project) for project in hostile]
    runs = [installation.scout.run(dataset) for dataset in datasets[:3]]
    schemas = {installation.scout.datasets.show(dataset).schema for dataset in datasets}

    assert [run.status for run in runs] == ["completed"] * 3
    assert len(schemas) == len(hostile)
    assert max(len(schema.encode()) for schema in schemas) <= 55


def test_without_a_credential_nothing_is_started(installation):
    dataset = installation.dataset(connect=False)
    run = installation.scout.run(dataset)

    assert (run.status, run.error_code) == ("failed", "AUTH_TOKEN_MISSING")
    assert "scout credentials connect" in run.error_message
    assert installation.told() == []
    schema = installation.scout.datasets.show(dataset).schema
    spaces = installation.rows(dataset, f"SELECT FROM pg_namespace WHERE nspname = '{schema}'")
    assert spaces == []


def test_a_rate_limited_run_pauses_and_resumes_from_its_bookmarks(installation):
    resume_at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    dataset = installation.dataset()
    words = f"event=paused resume_at={resume_at.isoformat()}"
    installation.act(exit=75, words=words, more={"data": {"phone": "1"}})
    paused = installation.scout.run(dataset)
    rules = {"things": ["data.phone", "data.ph?oe", "data.age"]}
    installation.scout.links.update("river", dataset.split("/")[1], exclude=rules)
    with pytest.raises(RunPausedError, match="paused until"):
        installation.scout.run(dataset)
    installation.act(first=3, rows=5, more={"data": {"age": 7}})
    with installation.scout.installation.store.begin() as session:  # as if time had passed
        session.execute(
            update(Run).where(Run.status == "paused").values(resume_at=datetime.now(UTC))
        )
    done = installation.scout.run(dataset)

    assert (paused.status, paused.resume_at) == ("paused", resume_at)
    assert (done.run_id, done.status, done.attempt) == (paused.run_id, "completed", 2)
    assert installation.told()[1]["state"]["bookmarks"] == {"things": {"at": 3}}
    assert installation.scout.datasets.show(dataset).row_counts == {"things": 5}
    # The rows of the first attempt have a phone, which no record of the second one had.
    [warning] = done.result["warnings"]
    assert "rules matched nothing: things.data.ph?oe. What" in warning
    known = {"things.data.age": True, "things.data.phone": True, "things.data.ph?oe": False}
    assert done.result["column_rules"] == known
    assert installation.rows(dataset, "SELECT count(data->'age') FROM things") == [(0,)]

    project, source = dataset.split("/")
    unseen = "No row that is loaded has things.data.ph?oe."
    assert installation.scout.links.unseen_paths(project, source) == [unseen]
    link = {"mode": "project", "hash": {"things": ["data.phone", "data.phnoe"]}}
    desired = {"projects": {project: {"sources": {source: link}}}}
    mistyped = "Warning: No row that is loaded has things.data.phnoe. Did you mean phone?"
    assert installation.scout.plan(desired).warnings == (mistyped,)
    column = {**link, "hash": {"things": ["nmae"]}}
    with pytest.raises(InvalidStateError) as wrong:
        installation.scout.plan({"projects": {project: {"sources": {source: column}}}})
    assert "things has no column nmae. Did you mean name?" in wrong.value.details[0]
    applied = installation.scout.apply(desired)
    assert [each.message for each in applied.outcomes] == [
        f"{mistyped} Rows of {dataset} that are loaded already lack the values that "
        "were excluded. To load everything again: "
        f"scout datasets drop {dataset} && scout run {dataset}"
    ]


def test_a_refused_credential_stops_the_schedule_until_it_is_reconnected(installation):
    dataset = installation.dataset()
    source = dataset.split("/")[1]
    installation.act(exit=77)
    run = installation.scout.run(dataset)
    [login] = [each for each in installation.scout.credentials.list() if each.source == source]
    again = installation.scout.run(dataset)
    refused = installation.scout.datasets.show(dataset)

    assert (run.status, run.error_code) == ("failed", "AUTH_TOKEN_EXPIRED")
    assert login.status == "needs reconnect"
    assert (again.error_code, len(installation.told())) == ("AUTH_TOKEN_EXPIRED", 1)
    assert "A person must reconnect: scout credentials connect" in run.error_message
    assert (
        f"A person must reconnect: scout credentials connect {source} --project"
        in again.error_message
    )
    assert (refused.status, refused.next_sync_at) == ("error", None)

    installation.act()
    assert installation.scout.credentials.check(source, project="river").status == "connected"
    checked = installation.scout.datasets.show(dataset)
    assert checked.next_sync_at <= datetime.now(UTC)
    assert checked.sync_error is None
    newest = installation.scout.audit.list(project="river")[0]
    assert (newest.action, newest.subject_kind) == ("accepted again", "credential")

    installation.act(exit=77)
    assert installation.scout.run(dataset).error_code == "AUTH_TOKEN_EXPIRED"
    installation.act()
    installation.scout.credentials.save(source, "settings", {"key": "new"}, project="river")
    assert installation.scout.datasets.show(dataset).next_sync_at <= datetime.now(UTC)
    assert installation.scout.run(dataset).status == "completed"
    assert installation.told()[-1]["key"] == "new"


def test_a_secret_is_in_no_argument_file_or_table(installation):
    dataset = installation.dataset()
    canary = f"canary-{uuid.uuid4().hex}"
    source = dataset.split("/")[1]
    installation.scout.credentials.save(source, "settings", {"key": canary}, project="river")
    installation.act(seconds=3)
    thread = threading.Thread(target=installation.scout.run, args=[dataset])
    thread.start()
    wait_until(installation.told)
    arguments = [str(each.info["cmdline"]) for each in psutil.process_iter(["cmdline"])]
    modes = {mode for path in workdir.IN_MEMORY.glob("scout-run-*") for mode in modes_of(path)}
    thread.join()
    (installation.folder / "told").unlink()  # the tap's own, to show that it got the secret
    folders = (installation.settings.home, installation.settings.project_root)
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]

    assert [each for each in arguments if canary in each] == []
    assert modes <= {0o700}
    assert [path for path in files if canary.encode() in path.read_bytes()] == []
    assert canary not in dump(installation)


def modes_of(path):
    """Return the mode of a folder, or None if it was deleted: others run, too."""
    with suppress(FileNotFoundError):
        yield stat.S_IMODE(path.stat().st_mode)


def dump(installation):
    """Return all that control and Meltano have written to the database."""
    connection = psycopg2.connect(installation.settings.database_url)
    found = []
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('SELECT t::text FROM %I.%I AS t', schemaname, tablename) "
            "FROM pg_tables WHERE schemaname LIKE 'scout%'"
        )
        for (statement,) in cursor.fetchall():
            cursor.execute(statement)
            found += [row for (row,) in cursor.fetchall()]
    connection.close()
    assert len(found) > 10
    return "\n".join(found)


def test_a_full_disk_fails_the_run_with_its_reason_and_leaves_nothing_syncing(installation):
    dataset = installation.dataset()
    # No file of this process can grow, as on a full disk.
    limited = f'ulimit -f 0; exec "{sys.executable}" -m scout_control run "{dataset}"'
    done = subprocess.run(
        ["bash", "-c", limited],
        env=environment_of(installation.settings),
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )
    found = installation.scout.datasets.show(dataset)

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "This machine could not continue the run: File too large" in done.stderr
    assert (found.status, found.run) == ("error", None)
    assert installation.scout.run(dataset).status == "completed"


def test_a_failed_run_keeps_its_rows_and_is_retried_after_minutes(installation):
    dataset = installation.dataset()
    installation.act(exit=1, words="the source broke")
    first = installation.scout.run(dataset)
    wait = installation.scout.datasets.show(dataset).next_sync_at - datetime.now(UTC)

    assert (first.status, first.error_code) == ("failed", "INTERNAL_ERROR")
    assert first.rows_loaded == {"things": 3}
    assert timedelta(minutes=4) < wait <= timedelta(minutes=5)


def test_a_cancelled_run_ends_with_all_its_processes_and_stays_cancelled(installation):
    dataset = installation.dataset()
    installation.act(seconds=3600)
    ended = []
    thread = threading.Thread(target=lambda: ended.append(installation.scout.run(dataset)))
    thread.start()
    wait_until(installation.told)
    [run] = installation.scout.runs.list(dataset=dataset)
    with pytest.raises(ConflictError, match="already running"):
        installation.scout.run(dataset)
    cancelled = installation.scout.runs.cancel(run.run_id)
    thread.join(LONGEST_SECONDS)

    assert cancelled.result["previous_state"] == "running"
    assert [each.status for each in ended] == ["cancelled"]
    assert installation.scout.datasets.show(dataset).status == "pending"
    wait_until(lambda: not is_alive(installation.told()[0]["pid"]))
    with pytest.raises(ConflictError, match="not in progress"):
        installation.scout.runs.cancel(run.run_id)


def test_a_run_whose_worker_was_killed_leaves_no_process_and_resumes_at_once_on_its_machine(
    installation,
):
    dataset = installation.dataset()
    installation.act(seconds=3600)
    environment = environment_of(installation.settings)
    scout = [sys.executable, "-m", "scout_control", "run", dataset]
    with subprocess.Popen(scout, env=environment, stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: has_rows(installation, dataset))
        process.send_signal(signal.SIGKILL)
    wait_until(lambda: not is_alive(installation.told()[0]["pid"]))
    installation.act(rows=7)
    wait_until(lambda: not installation.rows(dataset, LOCKED))
    # Everything shows it as what it is, long before its heartbeats are missing for two minutes.
    wait_until(lambda: installation.scout.runs.list(dataset=dataset)[0].is_interrupted)
    [killed] = installation.scout.runs.list(dataset=dataset)
    found = installation.scout.status().synced_data
    [status] = [each for each in found if each["run"] and each["run"]["run_id"] == killed.run_id]
    assert (status["health"], status["run"]["is_interrupted"]) == ("attention", True)
    assert "Interrupted" in status["reason"]
    [finding] = dataset_checks.interrupted(installation.scout.installation)
    assert killed.run_id in finding.finding
    assert finding.remedy.endswith(f"scout run {dataset}")
    done = installation.scout.run(dataset)

    assert (done.run_id, killed.status) == (killed.run_id, "running")
    assert (done.status, done.attempt, done.is_interrupted) == ("completed", 2, False)
    assert installation.rows(dataset) == [(7,)]
    # Both attempts wrote: three of the rows twice.
    assert done.rows_loaded == {"things": 10}
    told = done.as_dict()
    assert (told["rows_in_tables"], told["sources"]["things"]["rows_in_table"]) == (7, 7)
    assert list(dataset_checks.interrupted(installation.scout.installation)) == []


def has_rows(installation, dataset):
    """Return whether a run has committed rows."""
    try:
        return installation.rows(dataset) != [(0,)]
    except psycopg2.Error:  # no schema yet, or no table
        return False


LOCKED = """
    SELECT pid FROM scout_control.locks
      JOIN pg_stat_activity AS session USING (pid, backend_start)
"""


def test_an_unknown_run_id_is_not_found(installation):
    with pytest.raises(NotFoundError):
        installation.scout.runs.show("00000000-0000-0000-0000-000000000000")
    with pytest.raises(NotFoundError):
        installation.scout.runs.show("not-an-id")
