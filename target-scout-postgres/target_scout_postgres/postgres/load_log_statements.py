"""SQL for the tables of the load log: loads, rejected records and versions.

Built here, executed by `load_log`.
"""

from __future__ import annotations

from psycopg2.sql import SQL, Composable, Composed, Identifier

LOADS, REJECTS, STREAMS = "_scout_loads", "_scout_rejects", "_scout_streams"

TABLES = {
    LOADS: """
        CREATE TABLE IF NOT EXISTS {} (
            run_id text NOT NULL, stream text NOT NULL, rows bigint NOT NULL DEFAULT 0,
            bytes bigint NOT NULL DEFAULT 0, started_at timestamptz NOT NULL,
            completed_at timestamptz, version bigint, status text NOT NULL,
            PRIMARY KEY (run_id, stream))
    """,
    REJECTS: """
        CREATE TABLE IF NOT EXISTS {} (
            run_id text NOT NULL, stream text NOT NULL, line bigint NOT NULL, reason text NOT NULL,
            record jsonb, rejected_at timestamptz NOT NULL DEFAULT now())
    """,
    STREAMS: """
        CREATE TABLE IF NOT EXISTS {} (
            stream text PRIMARY KEY, active_version bigint, loading_version bigint,
            is_announced boolean NOT NULL DEFAULT false, seen bigint[] NOT NULL DEFAULT '{{}}')
    """,
}


def create_table(table: Composable, name: str) -> Composed:
    """Create one of the tables."""
    return SQL(TABLES[name]).format(table)


def read_streams(table: Composable) -> Composed:
    """Read the versions of all streams."""
    return SQL("SELECT stream, active_version, loading_version, is_announced, seen FROM {}").format(
        table
    )


# Columns that `_scout_streams` of an earlier release lacks.
LATER_COLUMNS = {
    "is_announced": "boolean NOT NULL DEFAULT true",
    "seen": "bigint[] NOT NULL DEFAULT '{{}}'",
}


def extend_streams(table: Composable, column: str) -> Composed:
    """Add one of LATER_COLUMNS."""
    return SQL("ALTER TABLE {} ADD COLUMN {} " + LATER_COLUMNS[column]).format(
        table, Identifier(column)
    )


def save_versions(table: Composable) -> Composed:
    """Insert or update the versions of a stream."""
    return SQL(
        "INSERT INTO {} (stream, active_version, loading_version, is_announced, seen) "
        "VALUES (%s, %s, %s, %s, %s::bigint[]) ON CONFLICT (stream) DO UPDATE SET "
        "active_version = EXCLUDED.active_version, loading_version = EXCLUDED.loading_version, "
        "is_announced = EXCLUDED.is_announced, seen = EXCLUDED.seen"
    ).format(table)


def save_load(table: Composable) -> Composed:
    """Insert or update what a run has loaded of a stream."""
    return SQL(
        "INSERT INTO {} AS old "
        "(run_id, stream, rows, bytes, started_at, completed_at, version, status) "
        "VALUES (%s, %s, %s, %s, %s, CASE WHEN %s THEN clock_timestamp() END, %s, %s) "
        "ON CONFLICT (run_id, stream) DO UPDATE SET rows = EXCLUDED.rows, bytes = EXCLUDED.bytes, "
        "completed_at = EXCLUDED.completed_at, version = EXCLUDED.version, status = EXCLUDED.status"
    ).format(table)


def rows_of_stream(table: Composable) -> Composed:
    """Sum the rows of a stream over earlier runs; null if none of them completed."""
    return SQL(
        "SELECT CASE WHEN bool_or(status = 'completed') THEN sum(rows) END FROM {} "
        "WHERE stream = %s AND run_id <> %s"
    ).format(table)


def mark_interrupted(table: Composable) -> Composed:
    """Mark loads of killed runs as interrupted: the lock excludes any other running one."""
    return SQL(
        "UPDATE {} SET status = 'interrupted' WHERE status = 'running' AND run_id <> %s"
    ).format(table)


def insert_rejects(table: Composable) -> Composed:
    """Insert rejected records."""
    return SQL(
        "INSERT INTO {} (run_id, stream, line, reason, record) "
        "SELECT %s, stream, line, reason, record::jsonb FROM "
        "unnest(%s::text[], %s::bigint[], %s::text[], %s::text[]) "
        "AS rejected (stream, line, reason, record)"
    ).format(table)


def mark_failed(table: Composable) -> Composed:
    """Mark the loads of a run as failed."""
    return SQL("UPDATE {} SET status = 'failed' WHERE status = 'running' AND run_id = %s").format(
        table
    )
