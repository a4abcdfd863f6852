"""Attacks go through control: an installation as people run it, with two owners.

`world` has its store on a server whose superuser it does not know: control's role may make roles
and owns its database, nothing else. `world.owner("river")` is an owner with a loaded dataset;
`world.act_before_reads(path, *statements)` executes statements as the writer of that dataset in
each later run, after the load and before control reads what came of it; `world.ask(statement)`
looks as the superuser; `world.fingerprint()` is what no attack may change.
With `pytestmark = EACH_SERVER` of `support.servers` a module runs on Debian's PostgreSQL 15 too.
"""

from __future__ import annotations

import uuid
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import psycopg2
import pytest
from scout_control.installation import embedded_postgres
from scout_control.rules.naming import query_role, reader_role, writer_role
from support.installations import Installation, installed
from support.servers import EMBEDDED, older

PASSWORD = "of-controls-role"
# The contents of the store and the roles, except timestamps and what runs record.
FINGERPRINTS = (
    "SELECT name, source_type, base_url, config::text FROM scout_control.sources ORDER BY 1",
    "SELECT secrets, is_valid FROM scout_control.credentials ORDER BY id",
    "SELECT schema_name, owner, readers FROM scout_control.datasets ORDER BY 1",
    "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'scout_control'::regnamespace "
    "ORDER BY 1, 2",
    "SELECT relname, relkind FROM pg_class WHERE relnamespace = 'scout_control'::regnamespace "
    "ORDER BY 1",
    "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls FROM pg_roles "
    "WHERE (rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls) ORDER BY 1",
    "SELECT roleid::regrole::text, member::regrole::text FROM pg_auth_members "
    "WHERE member::regrole::text <> '{control}' AND roleid::regrole::text LIKE 'data_%' "
    "AND member::regrole::text NOT LIKE '%_query' ORDER BY 1, 2",
)


@dataclass(frozen=True, kw_only=True)
class Owner:
    """An owner with a loaded dataset."""

    path: str
    schema: str

    @property
    def names(self) -> dict[str, str]:
        """Return its roles and its schema, to format statements with."""
        of = {"reader": reader_role, "writer": writer_role, "query": query_role}
        return {"schema": self.schema} | {kind: role(self.schema) for kind, role in of.items()}


@dataclass
class SharedInstallation(Installation):
    """An installation under attack."""

    superuser: str = ""
    control: str = ""

    @property
    def version(self) -> int:
        """Return the server's version."""
        return int(self.ask("SELECT current_setting('server_version_num')")[0][0]) // 10000

    def owner(self, project: str, *, is_loaded: bool = True) -> Owner:
        """Return an owner with a new dataset, loaded once by default."""
        path = self.dataset(project)
        if is_loaded:
            run = self.scout.run(path)
            assert run.status == "completed", run
        return Owner(path=path, schema=self.scout.datasets.show(path).schema)

    def ask(self, statement: str, *values: object) -> list[tuple]:
        """Return what the superuser finds."""
        with self.session(self.superuser) as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def session(self, url: str):
        """Open a session whose statements commit at once."""
        with closing(psycopg2.connect(url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                yield cursor

    @contextmanager
    def session_of(self, role: str):
        """Open a session of a role that may log in for its time."""
        self.ask(f"""ALTER ROLE "{role}" LOGIN PASSWORD '{PASSWORD}'""")
        try:
            with self.session(_with_role(self.superuser, role)) as cursor:
                yield cursor
        finally:
            self.ask(f'ALTER ROLE "{role}" NOLOGIN PASSWORD NULL')

    def fingerprint(self) -> list[list[tuple]]:
        """Return everything that no attack may change, as text."""
        return [self.ask(each.replace("{control}", self.control)) for each in FINGERPRINTS]


@pytest.fixture(scope="session")
def older_server():
    """The superuser's URL of Debian's PostgreSQL 15."""
    with older() as url:
        yield url


@pytest.fixture(scope="module")
def shared_world(request, tmp_path_factory):
    """The installation of a module, on one of the servers."""
    server = getattr(request, "param", EMBEDDED)
    superuser = request.getfixturevalue("postgres" if server == EMBEDDED else "older_server")
    name = f"world_{uuid.uuid4().hex[:10]}"
    store = embedded_postgres.create_database(superuser, name)
    with closing(psycopg2.connect(superuser)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(f"CREATE ROLE {name} LOGIN CREATEROLE PASSWORD '{PASSWORD}'")
        cursor.execute(f"ALTER DATABASE {name} OWNER TO {name}")
    url = _with_role(store, name)
    with installed(url, tmp_path_factory.mktemp("world"), is_loader_wrapped=True) as made:
        yield SharedInstallation(
            made.scout, made.settings, made.folder, superuser=store, control=name
        )


@pytest.fixture
def world(shared_world):
    """The shared installation of a module, with an ordinary tap."""
    made = replace(shared_world)
    made.act()
    return made


def _with_role(url: str, role: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{role}:{PASSWORD}@{parts.netloc.rpartition('@')[2]}").geturl()
