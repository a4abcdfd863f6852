"""Reads count as use: PostgreSQL 16 and later record when each table was last scanned.

Runs scan the tables too, so only a scan after the end of the latest run is a read by a person or
another program. Backups that dump the database count as reads. Earlier servers do not record scans;
there, readers call ``scout_control.touch``.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg

from scout_control.errors import ControlError, SettingsError
from scout_control.store import datasets, runs
from scout_control.store.postgres import connect

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection
    from datetime import datetime

    from scout_control.installation.installation import Installation

log = logging.getLogger(__name__)

FIRST_VERSION_WITH_SCAN_TIMES = 160000
# Bookkeeping tables of the target are left out: doctor and status read them.
LATEST_SCANS = r"""
    SELECT schemaname, max(greatest(last_seq_scan, last_idx_scan))
      FROM pg_catalog.pg_stat_user_tables
     WHERE schemaname = ANY(%s) AND relname NOT LIKE '\_scout%%'
     GROUP BY schemaname
"""


def collect(installation: Installation, dataset_ids: Collection[uuid.UUID]) -> int:
    """Record the latest read of datasets that have no run in progress; return how many had one.

    Called when data is about to expire, and before a run whose own scans would hide a read.
    """
    by_server: dict[str, dict[str, tuple[uuid.UUID, datetime]]] = defaultdict(dict)
    with installation.store.begin() as session:
        for dataset, run_ended_at in runs.last_ends(session, dataset_ids):
            # A server whose password no key decrypts is left out: nothing can be dropped there.
            with suppress(SettingsError):
                server = by_server[installation.server_url_of(dataset)]
                server[dataset.schema_name] = (dataset.id, run_ended_at)
    read = [
        (found[schema][0], scanned_at)
        for server_url, found in by_server.items()
        for schema, scanned_at in latest_scans(server_url, list(found)).items()
        if scanned_at > found[schema][1]
    ]
    with installation.store.begin() as session:
        for dataset_id, scanned_at in read:
            datasets.touch(session, dataset_id, scanned_at)
    return len(read)


def latest_scans(server_url: str, schemas: list[str]) -> dict[str, datetime]:
    """Return when the tables of each schema were last scanned; {} if the server cannot tell."""
    try:
        with connect(server_url) as connection:
            if connection.info.server_version < FIRST_VERSION_WITH_SCAN_TIMES:
                return {}
            found = connection.execute(LATEST_SCANS, (schemas,)).fetchall()
    except (ControlError, psycopg.Error) as error:
        # Data on a server that cannot be reached cannot be dropped either.
        log.warning("reads_unknown: %s", type(error).__name__)
        return {}
    return {schema: scanned_at for schema, scanned_at in found if scanned_at is not None}
