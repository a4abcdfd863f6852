"""``scout status``: the same datasets as elsewhere, the worst first, and codes for monitoring."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing

import psycopg2
import pytest
from scout_control.api.views import Run
from scout_control.errors import NotFoundError, SettingsError
from scout_control.rules.session_settings import QUEUE_SESSION
from scout_control.store import plain_reads, runs
from support.preloaded import run_scout
from support.workers import environment_of


def status(installation, *words, database_url=None):
    environment = environment_of(installation.settings)
    if database_url:
        environment["SCOUT_DATABASE_URL"] = database_url
    return run_scout(["status", *words], environment)


@pytest.fixture(scope="module")
def two(shared_installation):
    """A dataset that is fine, and one that failed."""
    fine = shared_installation.dataset()
    shared_installation.act(rows=5)
    shared_installation.scout.run(fine)
    shared_installation.act(exit=1, words="no luck")
    failed = shared_installation.dataset("hill")
    shared_installation.scout.run(failed)
    shared_installation.act()
    return fine, failed


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"project": "river"},
        {"project": "hill"},
        {"user": "ann"},
        {"project": "river", "user": "x"},
    ],
)
def test_status_shows_what_the_lists_show(shared_installation, two, asked):
    """It reads the store by other statements than the lists, whose result is the rule."""
    scout = shared_installation.scout
    found = scout.status(**asked)
    project, user = asked.get("project"), asked.get("user")
    own = [
        each.as_dict()
        for each in scout.credentials.list()
        if not asked
        or (project is not None and each.project == project)
        or (user is not None and each.user == user)
    ]
    extra = {"health", "condition", "reason", "needs_reconnect"}
    data = [{k: v for k, v in each.items() if k not in extra} for each in found.synced_data]

    def by_path(each):
        return each["path"]

    listed = [each.as_dict() for each in scout.datasets.list(**asked)]
    assert sorted(data, key=by_path) == sorted(listed, key=by_path)
    assert found.credentials == own
    sources = {each.name: each.as_dict() for each in scout.sources.list()}
    linked = {each.source for each in scout.sources.links(project)}
    shown = {each["name"]: each for each in found.available_sources}
    assert set(shown) == (set(sources) if project is None else linked)
    for name, each in shown.items():
        assert {key: value for key, value in each.items() if key != "projects"} == sources[name]


def test_the_list_of_runs_shows_the_rows_of_the_store(shared_installation, two):
    """It, too, reads them by its own statements."""
    scout = shared_installation.scout
    with scout.installation.store.begin() as session:
        expected = [Run.of(each) for each in runs.latest(session, 20)]
    newest, oldest = expected
    found = scout.datasets.show(newest.dataset)

    assert scout.runs.list() == expected
    assert scout.runs.list(limit=1) == [newest]
    for name in (found.path, found.schema, found.alias, found.id, found.id.replace("-", "")):
        assert scout.runs.list(dataset=name) == [newest], name
    unrun = shared_installation.dataset("lake")
    try:
        assert scout.runs.list(dataset=unrun) == []
        with pytest.raises(NotFoundError, match=oldest.dataset):
            scout.runs.list(dataset=f"{oldest.dataset}x")
    finally:
        scout.links.remove(*unrun.split("/"), drop=True)


def test_what_is_wrong_comes_first_and_alone_with_failed(shared_installation, two):
    fine, failed = two
    shown, only = status(shared_installation).stdout, status(shared_installation, "--failed").stdout

    assert "2 datasets: 1 failed, 1 fine" in shown
    assert shown.index(failed) < shown.index(fine)
    assert fine not in only
    document = json.loads(status(shared_installation, "--failed", "--json").stdout)
    assert [each["path"] for each in document["synced_data"]] == [failed]
    assert document["synced_data"][0]["health"] == "failed"


def test_monitoring_gets_one_line_and_its_codes(shared_installation, two):
    _, failed = two
    asked = {
        "critical": status(shared_installation, "--check"),
        "ok": status(shared_installation, "--check", "--project", "river"),
        "unknown project": status(shared_installation, "--check", "--project", "nothing"),
        "no store": status(
            shared_installation, "--check", database_url="postgresql://127.0.0.1:1/x"
        ),
    }
    codes = {name: done.returncode for name, done in asked.items()}

    assert codes == {"critical": 2, "ok": 0, "unknown project": 3, "no store": 3}
    assert all(len(done.stdout.splitlines()) == 1 for done in asked.values())
    assert asked["critical"].stdout.startswith(
        f"CRITICAL - 1 of 2 datasets needs attention: {failed}"
    )
    assert "| datasets=2 failed=1 attention=0 running=0 queued=0" in asked["critical"].stdout
    assert asked["ok"].stdout.startswith(
        "OK - 1 dataset: 1 fine | datasets=1 failed=0 attention=0 running=0"
    )
    document = json.loads(status(shared_installation, "--check", "--json").stdout)
    assert (document["status"], document["exit_code"]) == ("CRITICAL", 2)


def test_what_was_never_loaded_is_not_fine_without_a_worker(installation):
    installation.act()
    path = installation.dataset()
    said, check = status(installation).stdout, status(installation, "--check")

    assert "1 dataset: 1 never loaded" in said
    assert "Start one: scout worker; or load one dataset now: scout run DATASET" in said
    assert (check.returncode, check.stdout.partition(" - ")[0]) == (1, "WARNING")
    installation.scout.runs.queue(path)
    assert "1 dataset: 1 queued" in status(installation).stdout
    [found] = installation.scout.status().synced_data
    assert (found["health"], found["condition"]) == ("attention", "queued")

    # That of a worker that was killed: only its sessions tell.
    beat = "INSERT INTO scout_control.procrastinate_workers (last_heartbeat) VALUES (now())"
    with psycopg2.connect(installation.settings.database_url) as heartbeat:
        heartbeat.cursor().execute(beat)
    assert installation.scout.status().synced_data[0]["health"] == "attention"
    name = {"application_name": QUEUE_SESSION}
    with closing(psycopg2.connect(installation.settings.database_url, **name)):
        assert installation.scout.status().synced_data[0]["health"] == "running"


def test_a_first_load_that_was_interrupted_is_not_called_never_loaded(installation):
    path = installation.dataset()
    run_id = installation.scout.runs.queue(path).run_id
    loaded = "UPDATE scout_control.runs SET rows_loaded = '{\"things\": 7}'"
    with psycopg2.connect(installation.settings.database_url) as store:
        store.cursor().execute(loaded)
    installation.scout.runs.cancel(run_id, reason="interrupted by Ctrl-C")
    shown = status(installation).stdout

    assert "1 dataset: 1 interrupted" in shown
    assert f"its rows are kept; to continue: scout run {path}" in shown
    assert " interrupted=1 " in status(installation, "--check").stdout


def test_history_has_a_character_per_run(shared_installation, two):
    _, failed = two
    shown = status(shared_installation, "--history").stdout
    document = json.loads(status(shared_installation, "--history", "--json").stdout)
    [line] = [line for line in shown.splitlines() if failed in line]

    assert line.split()[1] in {"\N{BALLOT X}", "X"}
    assert [run["status"] for run in document["synced_data"][0]["history"]] == ["failed"]


def test_status_and_the_list_of_runs_import_no_more_than_they_need(shared_installation):
    """SQLAlchemy, Alembic and Procrastinate take longer to import than both of them take."""
    script = (
        "import sys\n"
        "from scout_control.api.scout import Scout\n"
        "from scout_control.cli.runs import run_list\n"
        "with Scout() as scout: scout.status(); run_list.latest(scout.installation)\n"
        "slow = {'sqlalchemy', 'alembic', 'procrastinate', 'rich', 'yaml'}\n"
        "print(sorted(slow & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment_of(shared_installation.settings),
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("url", "error"),
    [("mysql://a/b", SettingsError), ("postgresql://[::1/x", SettingsError), ("", SettingsError)],
)
def test_an_invalid_url_is_a_setting(url, error):
    with pytest.raises(error), plain_reads.opened(url):
        pass


def test_a_store_of_another_version_is_refused(shared_installation):
    url = shared_installation.settings.database_url
    change = "UPDATE scout_control.alembic_version SET version_num = %s RETURNING version_num"
    with plain_reads.opened(url) as reader:
        [found] = reader.rows("SELECT version_num FROM scout_control.alembic_version")
    with psycopg2.connect(shared_installation.superuser_url) as connection:
        for version, message in (("9999", "newer release"), ("0001", "outdated")):
            with connection.cursor() as cursor:
                cursor.execute(change, [version])
            connection.commit()
            with pytest.raises(SettingsError, match=message), plain_reads.opened(url):
                pass
        with connection.cursor() as cursor:
            cursor.execute(change, [found["version_num"]])
    connection.close()


def test_an_unknown_project_is_not_found(shared_installation):
    with pytest.raises(NotFoundError):
        shared_installation.scout.status(project="nothing")
