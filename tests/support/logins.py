"""Logs in to the test server as any role, without knowing its password."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg2
from psycopg2 import sql


def with_login(url: str, role: str, password: str) -> str:
    """Return a URL with another user and password, which must need no escaping."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{role}:{password}@{host}"))


def at_database_of(url: str, other: str) -> str:
    """Return a URL with the database of another URL."""
    return urlunsplit(urlsplit(url)._replace(path=urlsplit(other).path))


@contextmanager
def login_of(superuser_url: str, role: str) -> Iterator[str]:
    """Yield a URL to log in as a role; its password is restored afterwards."""
    password, name = secrets.token_urlsafe(16), sql.Identifier(role)
    with closing(psycopg2.connect(superuser_url)) as opened:
        opened.autocommit = True
        cursor = opened.cursor()
        cursor.execute("SELECT rolpassword, rolcanlogin FROM pg_authid WHERE rolname = %s", [role])
        before, could_login = cursor.fetchone()
        change = sql.SQL("ALTER ROLE {} {} PASSWORD %s")
        cursor.execute(change.format(name, sql.SQL("LOGIN")), [password])
        try:
            yield with_login(superuser_url, role, password)
        finally:
            kind = sql.SQL("LOGIN" if could_login else "NOLOGIN")
            cursor.execute(change.format(name, kind), [before])
