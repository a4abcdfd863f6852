"""The roles of an embedded server: ``scout``, as which control logs in, and its superuser."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import psycopg

from scout_control.installation.embedded_postgres import server
from scout_control.store.postgres import set_login

if TYPE_CHECKING:
    from scout_control.installation.embedded_postgres.cluster import Cluster

SUPERUSER, SCOUT = "postgres", "scout"
# The privileges that control needs, on any server.
CREATE_SCOUT = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'scout') THEN
        CREATE ROLE scout;
    END IF;
END $$;
ALTER ROLE scout NOSUPERUSER NOREPLICATION NOBYPASSRLS CREATEROLE CREATEDB;
GRANT pg_signal_backend TO scout;
"""
# In earlier versions control was the superuser, so everything belongs to it. 10 is the oid of the
# superuser of initdb; objects with oids below 16384 belong to the system.
TRANSFER_ROLES = """
DO $$
DECLARE
    step text;
BEGIN
    FOR step IN
        SELECT format('ALTER ROLE %I NOSUPERUSER NOREPLICATION NOBYPASSRLS', rolname)
          FROM pg_roles
         WHERE oid <> 10 AND (rolsuper OR rolreplication OR rolbypassrls)
        UNION ALL
        SELECT format('GRANT %I TO scout WITH ADMIN TRUE, INHERIT FALSE, SET FALSE', rolname)
          FROM pg_roles
         WHERE oid >= 16384 AND rolname <> 'scout'
        UNION ALL
        SELECT format('ALTER DATABASE %I OWNER TO scout', datname)
          FROM pg_database
         WHERE datdba = 10 AND oid >= 16384
    LOOP
        EXECUTE step;
    END LOOP;
    FOR step IN
        SELECT format(
                   'REVOKE %1$I FROM %2$I; GRANT %1$I TO %2$I '
                   'WITH ADMIN %3$s, INHERIT %4$s, SET %5$s GRANTED BY scout',
                   role.rolname, member.rolname,
                   admin_option::text, inherit_option::text, set_option::text
               )
          FROM pg_auth_members
          JOIN pg_roles AS role ON role.oid = roleid
          JOIN pg_roles AS member ON member.oid = pg_auth_members.member
         WHERE grantor = 10 AND roleid >= 16384
           AND pg_auth_members.member >= 16384 AND member.rolname <> 'scout'
    LOOP
        EXECUTE step;
    END LOOP;
END $$
"""
TRANSFER_OBJECTS = """
DO $$
DECLARE
    step text;
BEGIN
    FOR step IN
        SELECT format('ALTER SCHEMA %I OWNER TO scout', nspname)
          FROM pg_namespace
         WHERE nspowner = 10 AND oid >= 16384
        UNION ALL
        SELECT format('ALTER %s %s OWNER TO scout',
                      CASE relkind WHEN 'c' THEN 'TYPE' ELSE 'TABLE' END, oid::regclass)
          FROM pg_class
         WHERE relowner = 10 AND oid >= 16384 AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c')
           AND relnamespace <> 'pg_toast'::regnamespace
           AND NOT EXISTS (
               SELECT FROM pg_depend
                WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid
                  AND deptype IN ('a', 'i', 'e') AND relkind = 'S'
           )
        UNION ALL
        SELECT format('ALTER ROUTINE %s OWNER TO scout', oid::regprocedure)
          FROM pg_proc
         WHERE proowner = 10 AND oid >= 16384
        UNION ALL
        SELECT format('ALTER TYPE %s OWNER TO scout', oid::regtype)
          FROM pg_type
         WHERE typowner = 10 AND oid >= 16384 AND typtype IN ('e', 'd', 'r')
    LOOP
        EXECUTE step;
    END LOOP;
END $$
"""
DATABASES = "SELECT datname FROM pg_database WHERE datallowconn AND datname <> 'template1'"


def set_superuser_password(cluster: Cluster) -> str:
    """Give the superuser a random password, which is stored nowhere, and return it."""
    password = secrets.token_urlsafe(32)
    cluster.write_hba()
    # Single-user mode needs no password, so this works whatever the state of the roles.
    server.execute_single_user(cluster, f"ALTER ROLE postgres LOGIN PASSWORD '{password}';\n\n")
    return password


def create_scout(cluster: Cluster, superuser_password: str) -> str:
    """Create ``scout``, the owner of everything, and lock the superuser; return its password."""
    with _connect(cluster, "postgres", superuser_password) as connection:
        password = make_role(connection)
        connection.execute(TRANSFER_ROLES)
        databases = connection.execute(DATABASES).fetchall()
    for (database,) in databases:
        with _connect(cluster, database, superuser_password) as connection:
            connection.execute(TRANSFER_OBJECTS)
    with _connect(cluster, "postgres", superuser_password) as connection:
        connection.execute("ALTER ROLE postgres NOLOGIN PASSWORD NULL")
    return password


def make_role(connection: psycopg.Connection[tuple[str, ...]]) -> str:
    """Create the role that control logs in as, with a new password, and return that."""
    password = secrets.token_urlsafe(32)
    connection.execute(CREATE_SCOUT)
    set_login(connection, SCOUT, password)
    return password


def _connect(cluster: Cluster, database: str, password: str) -> psycopg.Connection[tuple[str, ...]]:
    # The password is written to its file next, so the server must remember it even after a crash,
    # also where durability is switched off.
    options = "-c search_path=pg_catalog -c synchronous_commit=on"
    return psycopg.connect(
        host=str(cluster.sockets),
        port=cluster.number,
        user=SUPERUSER,
        password=password,
        dbname=database,
        options=options,
        connect_timeout=30,
    )
