"""the models of a million cases of 60 properties: first build, small change, no change

Generates the cases with SQL in an embedded Postgres of its own, as the target would have loaded
them, and runs `scout-dbt build`.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import psycopg2

from scout_control import embedded

ROOT = Path(__file__).parents[2]
SCHEMA = "data_benchmark"
KINDS = (
    *["Text"] * 20,
    *["Int"] * 15,
    *["Date"] * 10,
    *["Double"] * 5,
    *["MSelect"] * 5,
    *["Select"] * 5,
)
VALUES = {
    "Text": "'value ' || (i * {n} % 1000)",
    "Int": "(i * {n} % 97)::text",
    "Date": "(date '2020-01-01' + (i * {n} % 2000))::text",
    "Double": "round((i * {n} % 991) / 7.0, 3)::text",
    "MSelect": "'a b c' || (i * {n} % 7)",
    "Select": "'choice_' || (i * {n} % 5)",
}
CASE_TYPES = ("person", "household", "visit", "pregnancy")
TABLES = """
    CREATE SCHEMA {schema};
    SET search_path TO {schema};
    CREATE TABLE cases (
        case_id text PRIMARY KEY, domain text, case_type text, case_name text, external_id text,
        owner_id text, date_opened timestamptz, last_modified timestamptz,
        server_last_modified timestamptz, indexed_on timestamptz, closed boolean,
        date_closed timestamptz, properties jsonb, indices jsonb);
    CREATE TABLE form_definitions (
        app_id text, xmlns text, domain text, app_name text, name text, names jsonb,
        case_type text, uses jsonb, PRIMARY KEY (app_id, xmlns));
    CREATE TABLE form_questions (
        app_id text, xmlns text, path text, domain text, position bigint, type text, tag text,
        label text, translations jsonb, "group" text, repeat text, is_group boolean,
        is_required boolean, relevant text, "constraint" text, setvalue text, comment text,
        hashtag text, options jsonb, data_source jsonb, PRIMARY KEY (app_id, xmlns, path));
"""
CASES = """
    INSERT INTO cases
    SELECT md5(i::text), 'd', (array{types})[1 + i % 4], 'name ' || i, null, md5((i % 100)::text),
           now(), now(), now(), now(), i % 10 = 0, null, {properties}, '{{}}'
      FROM generate_series(1, {count}) AS i
"""
CHANGE = """
    UPDATE cases SET properties = properties || '{"property_20": "12"}'
     WHERE case_id IN (SELECT md5(i::text) FROM generate_series(1, 10) AS i)
"""


def fill(url: str, count: int) -> None:
    pairs = [f"'property_{at}', {VALUES[kind].format(n=at + 3)}" for at, kind in enumerate(KINDS)]
    halves = [f"jsonb_build_object({', '.join(pairs[at : at + 30])})" for at in (0, 30)]
    with closing(psycopg2.connect(url)) as opened, opened, opened.cursor() as cursor:
        cursor.execute(TABLES.format(schema=SCHEMA))
        cursor.execute(
            CASES.format(types=list(CASE_TYPES), properties=" || ".join(halves), count=count)
        )
        for name in CASE_TYPES:
            cursor.execute(
                "INSERT INTO form_definitions VALUES ('a', %s, 'd', 'A', 'F', '{}', %s, '[]')",
                [name, name],
            )
            cursor.executemany(
                "INSERT INTO form_questions (app_id, xmlns, path, domain, position, type, tag)"
                " VALUES ('a', %s, %s, 'd', %s, %s, 'input')",
                [(name, f"/data/property_{at}", at, kind) for at, kind in enumerate(KINDS)],
            )
    with closing(psycopg2.connect(url)) as opened:
        opened.autocommit = True
        opened.cursor().execute(f"VACUUM ANALYZE {SCHEMA}.cases")


def change(url: str) -> None:
    options = f"-c search_path={SCHEMA}"
    with closing(psycopg2.connect(url, options=options)) as opened, opened:
        opened.cursor().execute(CHANGE)


def build(url: str, folder: Path) -> tuple[float, float]:
    """Return wall seconds, and seconds of CPU of everything but Postgres."""
    environment = {
        "PATH": os.defpath,
        "HOME": str(folder),
        "TARGET_SCOUT_POSTGRES_DATABASE_URL": url,
        "TARGET_SCOUT_POSTGRES_DEFAULT_TARGET_SCHEMA": SCHEMA,
        "DBT_PROJECT_DIR": str(ROOT / "transform"),
        "DBT_PROFILES_DIR": str(ROOT / "transform"),
        "DBT_TARGET_PATH": str(folder / "target"),
        "DBT_LOG_PATH": str(folder / "logs"),
    }
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [Path(sys.executable).with_name("scout-dbt"), "build"]
    done = subprocess.run(
        [*command, "--exclude-resource-type", "unit_test"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - began, cpu


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=1_000_000)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="scout-benchmark-"))
    try:
        url = embedded.start(folder / "data", durable=False)
        fill(url, options.cases)
        print(f"{options.cases:,} cases of {len(KINDS)} properties, load {os.getloadavg()[0]:.1f}")
        for name in ("first build", "nothing changed", "10 cases changed"):
            if name.startswith("10"):
                change(url)
            wall, cpu = build(url, folder)
            print(f"{name:18} {wall:7.1f} s   CPU outside Postgres {cpu:5.2f} s", flush=True)
    finally:
        embedded.stop(folder / "data")
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
