"""The roles of an embedded server: ``scout``, which control is, and the superuser that makes it."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from scout_control.installation.embedded_postgres import server

if TYPE_CHECKING:
    from scout_control.installation.embedded_postgres.cluster import Cluster

SUPERUSER, SCOUT = "postgres", "scout"
# Also true of a server of one's own: what control needs, and no more.
ROLE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'scout') THEN
        CREATE ROLE scout;
    END IF;
END $$;
ALTER ROLE scout LOGIN NOSUPERUSER NOREPLICATION NOBYPASSRLS CREATEROLE CREATEDB
    PASSWORD {password};
GRANT pg_signal_backend TO scout;
"""
# Before there was this role the superuser made everything, by itself and for all datasets.
TAKE_OVER_ROLES = """
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
TAKE_OVER_OBJECTS = """
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


def superuser_password(cluster: Cluster) -> str:
    """Give the superuser a password that this process knows and nothing else."""
    password = secrets.token_urlsafe(32)
    cluster.let_in()
    server.execute_alone(cluster, f"ALTER ROLE postgres LOGIN PASSWORD '{password}';\n\n")
    return password


def make_scout(cluster: Cluster, superuser: str) -> str:
    """Make ``scout`` the owner of all there is, and shut the superuser out; return its password."""
    with _connect(cluster, "postgres", superuser) as connection:
        password = make_role(connection)
        connection.execute(TAKE_OVER_ROLES)
        databases = connection.execute(DATABASES).fetchall()
    for (database,) in databases:
        with _connect(cluster, database, superuser) as connection:
            connection.execute(TAKE_OVER_OBJECTS)
    with _connect(cluster, "postgres", superuser) as connection:
        connection.execute("ALTER ROLE postgres NOLOGIN PASSWORD NULL")
    return password


def make_role(connection: psycopg.Connection[tuple[str, ...]]) -> str:
    """Make the role that control is to be, with a new password, and return that."""
    password = secrets.token_urlsafe(32)
    scrambled = connection.pgconn.encrypt_password(
        password.encode(), SCOUT.encode(), b"scram-sha-256"
    )
    literal = sql.Literal(scrambled.decode())
    connection.execute(sql.SQL(ROLE).format(password=literal))
    return password


def _connect(cluster: Cluster, database: str, password: str) -> psycopg.Connection[tuple[str, ...]]:
    # The login is written down next: it must be known after a crash, also where little else is.
    options = "-c search_path=pg_catalog -c synchronous_commit=on"
    return psycopg.connect(
        host=str(cluster.sockets),
        user=SUPERUSER,
        password=password,
        dbname=database,
        options=options,
        connect_timeout=30,
    )
