"""Finds readers of several datasets who could execute code of one dataset's writer.

A view accesses tables with the privileges of its owner, the writer. But functions that it calls run
as the role that reads the view, so they can access everything that this role can. Only system
catalogs are read here.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from sqlalchemy import select

from scout_control.errors import ControlError
from scout_control.rules.naming import reader_role
from scout_control.store import postgres
from scout_control.store.models import Dataset

if TYPE_CHECKING:
    from scout_control.installation.installation import Installation

CALLS = ":(?:funcid|opfuncid|winfnoid|aggfnoid) ([0-9]+)"
FIND_READERS = """
    WITH RECURSIVE dataset AS (
        SELECT nspname, pg_namespace.oid AS namespace, pg_roles.oid AS reader
          FROM unnest(%(schemas)s::text[], %(readers)s::text[]) AS given (schema_name, reader_name)
          JOIN pg_catalog.pg_namespace ON nspname = schema_name
          JOIN pg_catalog.pg_roles ON rolname = reader_name
    ), reads (role, reader) AS (
        SELECT member, roleid FROM pg_catalog.pg_auth_members
         WHERE roleid IN (SELECT reader FROM dataset)
        UNION
        SELECT member, reads.reader FROM pg_catalog.pg_auth_members JOIN reads ON roleid = role
    ), mixed AS (
        SELECT role FROM reads JOIN pg_catalog.pg_roles ON pg_roles.oid = role
         WHERE rolcanlogin AND rolname <> current_user
         GROUP BY role HAVING count(DISTINCT reader) > 1
    ), code (namespace) AS (
        SELECT pronamespace FROM pg_catalog.pg_proc
        UNION
        SELECT relnamespace FROM pg_catalog.pg_policy
          JOIN pg_catalog.pg_class ON pg_class.oid = polrelid
        UNION
        SELECT relnamespace
          FROM pg_catalog.pg_rewrite
          JOIN pg_catalog.pg_class ON pg_class.oid = ev_class
          JOIN dataset ON namespace = relnamespace
         CROSS JOIN regexp_matches(ev_action::text, %(calls)s, 'g') AS called
          JOIN pg_catalog.pg_proc ON pg_proc.oid = called[1]::oid
         WHERE provolatile = 'v' OR pronamespace <> 'pg_catalog'::regnamespace
    )
    SELECT nspname, string_agg(DISTINCT rolname, ', ' ORDER BY rolname)
      FROM dataset
      JOIN reads ON reads.reader = dataset.reader
      JOIN mixed ON mixed.role = reads.role
      JOIN pg_catalog.pg_roles ON pg_roles.oid = mixed.role
     WHERE namespace IN (SELECT namespace FROM code)
     GROUP BY nspname
     ORDER BY nspname
"""


def find(installation: Installation) -> list[str]:
    """Return the dataset schemas with such code, each with the roles that could execute it."""
    by_url: dict[str, list[str]] = {}
    with installation.store.begin() as session:
        for dataset in session.scalars(select(Dataset).where(Dataset.readers != [])):
            by_url.setdefault(installation.server_url_of(dataset), []).append(dataset.schema_name)
    findings: list[str] = []
    for url, schemas in by_url.items():
        readers = [reader_role(schema) for schema in schemas]
        parameters = {"schemas": schemas, "readers": readers, "calls": CALLS}
        with (
            suppress(ControlError),
            postgres.connect(url) as connection,
        ):  # unreachable servers are a separate finding
            cursor = connection.cursor()
            cursor.execute(FIND_READERS, parameters)
            findings += [f"{schema} ({roles})" for schema, roles in cursor.fetchall()]
    return findings
