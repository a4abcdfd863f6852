"""Sandbox to tap to target to Postgres to dbt, started by control, and by hand."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import psutil
import psycopg2
from psycopg2 import sql
from scout_control.errors import CredentialRefusedError
from support.canaries import Files, another_account, spellings

from .content import assert_same

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent
TYPES = """
    SELECT column_name, data_type FROM information_schema.columns
     WHERE table_schema = %s AND table_name = 'stg_commcare__cases'
"""


def test_all_rows_arrive_typed_no_secret_leaks_and_the_next_run_reads_only_what_changed(pipeline):
    with no_secret_leaks(pipeline) as on_start:
        first = pipeline.run(on_start=on_start, transform=True)

    assert first.error is None
    assert_same(pipeline)
    assert len(pipeline.rows("stg_commcare__cases")) == len(pipeline.rows("cases"))
    with psycopg2.connect(pipeline.superuser_url) as opened, opened.cursor() as cursor:
        cursor.execute(TYPES, [pipeline.dataset.schema])
        types = dict(cursor.fetchall())
    opened.close()
    assert types["is_closed"] == "boolean"
    assert types["opened_at"] == "timestamp with time zone"
    assert types["properties"] == "jsonb"

    case_ids = [pipeline.sandbox.edit_case(properties={"risk": "high"}) for _ in range(3)]
    form_id = pipeline.sandbox.submit_form()
    second = pipeline.run(transform=True)

    assert second.error is None
    assert_same(pipeline)
    read = pipeline.read_in(second)
    assert len(set(case_ids)) <= read["cases"] <= 10
    assert 1 <= read["forms"] <= 10
    assert form_id in {row["form_id"] for row in pipeline.rows("stg_commcare__forms")}


def test_nothing_is_lost_when_meltano_tap_and_target_are_killed_at_random_moments(pipeline):
    pipeline.sandbox.set(latency_ms=200)

    def killer(victim):
        def on_start(_place, run):
            threading.Thread(target=kill, args=(victim, run.pid), daemon=True).start()

        return on_start

    for victim in ("meltano", "tap-commcare", "target-scout-postgres"):
        ended = pipeline.run(on_start=killer(victim))
        assert ended.error is not None, f"the run survived the death of {victim}"
    pipeline.sandbox.set(latency_ms=0)
    last = pipeline.run()

    assert last.error is None
    assert_same(pipeline)


def kill(victim: str, meltano: int) -> None:
    """Kill a process of a run with SIGKILL, a random moment after its loader has begun."""
    with suppress(psutil.NoSuchProcess):  # the run was over first; its test says so
        while True:
            parent = psutil.Process(meltano)
            family = {name_of(each): each for each in [*parent.children(recursive=True), parent]}
            if {victim, "target-scout-postgres", "tap-commcare"} <= family.keys():
                time.sleep(random.uniform(0, 0.5))
                family[victim].kill()
                return
            time.sleep(0.02)


def name_of(process: psutil.Process) -> str:
    try:
        words = [Path(word).name for word in process.cmdline()[:3] if "--discover" not in word]
    except psutil.NoSuchProcess:
        return ""
    known = ("meltano", "tap-commcare", "target-scout-postgres")
    return next((word for word in words if word in known), "")


def test_a_wrong_key_ends_in_a_refused_credential_that_names_the_domain(pipeline):
    ended = pipeline.run(secrets={"TAP_COMMCARE_API_KEY": "not-the-key"})

    assert type(ended.error) is CredentialRefusedError
    assert ended.error.exit_code == 77
    assert pipeline.sandbox.domain in str(ended.error)
    assert "not-the-key" not in str(ended.error)


@contextmanager
def no_secret_leaks(pipeline):
    """Check that no file, argument or state has a secret, during a run and after it."""
    pipeline.sandbox.set(latency_ms=100)
    wanted: set[bytes] = set()
    looks = []

    with ExitStack() as looking:

        def on_start(place, run):
            for secret in (pipeline.sandbox.api_key, place.password):
                wanted.update(spellings(secret))
            places = (run.work, ROOT / ".meltano", ROOT / "transform")
            looks.append(looking.enter_context(Files(places, wanted)))
            looks.append(looking.enter_context(another_account(wanted)))

        yield on_start
        files, tell = looks
        processes_seen, processes_found = tell()

    pipeline.sandbox.set(latency_ms=0)
    assert len(files.seen) > 5
    assert files.found == set()
    assert "tap-commcare" in processes_seen
    assert processes_found == []
    with closing(psycopg2.connect(pipeline.meltano_url)) as opened, opened.cursor() as cursor:
        cursor.execute("SELECT t::text FROM scout_meltano.state AS t")
        text = "\n".join(row for (row,) in cursor.fetchall()).encode()
        assert text
        assert not [secret for secret in wanted if secret in text]


def test_a_plain_meltano_run_with_settings_in_the_environment_works_and_writes_no_secret(
    pipeline, tmp_path
):
    environment = {
        "PATH": f"{PROGRAMS}{os.pathsep}{os.defpath}",
        "HOME": str(tmp_path / "home"),
        "MELTANO_SYS_DIR_ROOT": str(tmp_path / "meltano"),
        "TAP_COMMCARE_BASE_URL": pipeline.sandbox.url,
        "TAP_COMMCARE_DOMAIN": pipeline.sandbox.domain,
        "TAP_COMMCARE_USERNAME": pipeline.sandbox.username,
        "TAP_COMMCARE_API_KEY": pipeline.sandbox.api_key,
        "TARGET_SCOUT_POSTGRES_DATABASE_URL": pipeline.server_url,
        "SCOUT_DATASET_SCHEMA": pipeline.dataset.schema,
        "DBT_TARGET_PATH": str(tmp_path / "dbt"),
        "DBT_LOG_PATH": str(tmp_path / "dbt-log"),
    }

    done = subprocess.run(
        [PROGRAMS / "meltano", "run", "commcare-sync"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )

    assert done.returncode == 0, done.stderr[-3000:]
    assert_same(pipeline)
    assert len(pipeline.rows("stg_commcare__forms")) == len(pipeline.rows("forms"))
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    secret = pipeline.sandbox.api_key.encode()
    assert written
    assert not [path for path in written if secret in path.read_bytes()]
    assert pipeline.sandbox.api_key not in done.stdout + done.stderr
    assert_each_schema_has_its_state(pipeline, environment)


def assert_each_schema_has_its_state(pipeline, environment):
    """Records read into one schema are read into another one too, or the target reports it."""

    def load(schema, *options, name="SCOUT_DATASET_SCHEMA"):
        done = subprocess.run(
            [PROGRAMS / "meltano", "run", *options, "tap-commcare", "target-scout-postgres"],
            cwd=ROOT,
            env=environment | {"TAP_COMMCARE__SELECT": '["cases.*"]', name: schema},
            capture_output=True,
            text=True,
            check=False,
            timeout=400,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        with closing(psycopg2.connect(pipeline.server_url)) as opened, opened.cursor() as cursor:
            cursor.execute(sql.SQL("SELECT count(*) FROM {}.cases").format(sql.Identifier(schema)))
            return cursor.fetchone()[0], "INCOMPLETE" in done.stderr

    first = pipeline.dataset.schema
    count = len(pipeline.rows("cases"))
    by_setting = "TARGET_SCOUT_POSTGRES_DEFAULT_TARGET_SCHEMA"
    assert load(f"{first}_b", name=by_setting) == (count, False)
    rows, is_told = load(f"{first}_c", "--state-id-suffix", first)
    assert (rows < count, is_told) == (True, True)
    assert load(f"{first}_c", "--full-refresh") == (count, False)
