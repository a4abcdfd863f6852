"""Secrets of every kind are planted; then everything that others could see is searched for them.

Arguments and environments as another account sees them, files, logs with all details, the answers
of commands, Meltano's database, the store, its queue, the server's log: nothing may be in clear,
nor in Base64, in hexadecimal digits, or as a URL or JSON spells it.
"""

from __future__ import annotations

import subprocess
import sys
import urllib.parse
import urllib.request
import uuid
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import psycopg2
import pytest
import yaml
from commcare_sandbox import Sandbox
from psycopg2.extensions import parse_dsn
from scout_control.api.scout import Scout
from scout_control.installation import embedded_postgres
from scout_control.installation.encryption import generate
from scout_control.installation.settings import Settings
from scout_control.store.models import Credential
from sqlalchemy import select
from support.canaries import Files, another_account, spellings
from support.logins import with_login
from support.workers import environment_of

ROOT = Path(__file__).parents[3]
LOG = "run.log"
SEED = 72  # of the secrets, too: no other test has the same ones
COMMANDS = ("worker --until-idle --concurrency 3", f"run river/key --log-file {LOG}")
ANSWERS = ("status --json", "runs list --json")
DATABASE_PASSWORD = "canary/of the+database&=%:@"  # characters that are escaped in a URL
TABLES = """
    SELECT format('SELECT t::text FROM %I.%I AS t', schemaname, tablename) FROM pg_tables
     WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
    UNION ALL SELECT format('SELECT t::text FROM pg_catalog.%I AS t', name)
      FROM unnest(ARRAY['pg_authid', 'pg_description', 'pg_shdescription', 'pg_db_role_setting',
                        'pg_stat_activity']) AS name
"""


@pytest.fixture
def project(tmp_path):
    """The real project, but Meltano logs everything, and only Connect is transformed."""
    document = yaml.safe_load((ROOT / "meltano.yml").read_text())
    document["cli"]["log_level"] = "debug"
    for job in document["jobs"]:
        if job["name"] == "commcare-sync":
            job["tasks"] = ["tap-commcare target-scout-postgres"]
    made = tmp_path / "project"
    made.mkdir()
    (made / "meltano.yml").write_text(yaml.safe_dump(document))
    (made / "transform").symlink_to(ROOT / "transform")
    return made


@pytest.fixture
def settings(postgres, project, tmp_path):
    """An installation whose role has a password, as on a server that asks for it."""
    name = f"control_{uuid.uuid4().hex[:10]}"
    url = embedded_postgres.create_database(postgres, name)
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {name} LOGIN CREATEROLE PASSWORD %s", [DATABASE_PASSWORD])
        cursor.execute(f"ALTER DATABASE {name} OWNER TO {name}")
    password = urllib.parse.quote(DATABASE_PASSWORD, safe="")
    for folder in ("home", "tmp"):
        (tmp_path / folder).mkdir()
    return Settings(
        project_root=project,
        home=tmp_path / "scout",
        database_url=with_login(url, name, password),
        encryption_keys=generate(),
    )


@pytest.fixture
def environment(settings, tmp_path):
    return environment_of(settings) | {
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "tmp"),
    }


def plant(scout, sandbox):
    """Connect an account of each kind; return the secrets by what they are."""
    connect = sandbox.connect
    client = connect.logins()
    logins = {
        "key": ("api_key", {"username": sandbox.username, "api_key": sandbox.api_key}),
        "password": (
            "username_password",
            {"username": sandbox.username, "password": sandbox.password},
        ),
        "token": ("token", {"access_token": sandbox.access_token}),
        "oauth": ("oauth2", {}),
    }
    scout.projects.create("river")
    for name, (kind, fields) in logins.items():
        is_connect = kind == "oauth2"
        scout.sources.add(
            name,
            "commcare-connect" if is_connect else "commcare",
            base_url=connect.url if is_connect else sandbox.url,
            config={} if is_connect else {"domain": sandbox.domain},
            **(
                {each: client[each] for each in ("client_id", "client_secret")}
                if is_connect
                else {}
            ),
        )
        scout.sources.link("river", name, mode="project")
        if is_connect:
            consent(scout, name)
        else:
            scout.credentials.save(name, kind, fields, project="river")
        scout.datasets.ensure("river", name)
    return {
        "api key": sandbox.api_key,
        "password": sandbox.password,
        "access token": sandbox.access_token,
        "client secret": client["client_secret"],
        "database password": DATABASE_PASSWORD,
        "encryption key": scout.installation.settings.encryption_keys,
        **{f"first {name}": value for name, value in tokens(scout).items()},
    }


def consent(scout, source):
    """Give consent at the source, as a person with a browser does."""
    request = scout.credentials.ask(source, "http://127.0.0.1:9/callback")

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None

    form = urllib.parse.urlencode({"allow": "1"}).encode()
    with pytest.raises(urllib.error.HTTPError) as answered:
        urllib.request.build_opener(Stay).open(request.url, data=form)
    with answered.value as answer:
        scout.credentials.answer(source, request, answer.headers["Location"], project="river")


def tokens(scout):
    """Return the tokens of the OAuth login in the store."""
    with scout.installation.store.begin() as session:
        found = session.scalars(select(Credential).where(Credential.kind == "oauth2")).one()
        fields = scout.installation.keyring.open(found.secrets).fields
    return {name: fields[name] for name in ("access_token", "refresh_token")}


def command(environment, words):
    """Run a command, which must succeed; return its output."""
    done = subprocess.run(
        [sys.executable, "-m", "scout_control", *words.split()],
        env=environment,
        cwd=environment["HOME"],
        capture_output=True,
        timeout=400,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said.decode()
    return said


def stored(settings, postgres):
    """Return all that is in the database, and in the server's log."""
    database = urllib.parse.urlsplit(settings.database_url).path
    url = urllib.parse.urlunsplit(urllib.parse.urlsplit(postgres)._replace(path=database))
    found = []
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(TABLES)
        for (statement,) in cursor.fetchall():
            cursor.execute(statement)
            found += [row for (row,) in cursor.fetchall()]
    data = Path(parse_dsn(postgres)["host"])  # where the socket is, too
    return "\n".join(found).encode() + data.with_name(f"{data.name}.log").read_bytes()


@pytest.mark.timeout(900)
def test_no_secret_is_visible_anywhere(postgres, settings, environment, tmp_path):
    with (
        Sandbox(cases=8, forms=4, connect_visits=10, seed=SEED) as sandbox,
        Scout(settings) as scout,
    ):
        scout.init()
        secrets = plant(scout, sandbox)
        wanted = {word for secret in secrets.values() for word in spellings(secret)}
        log = tmp_path / "home" / LOG
        with another_account(wanted) as tell, Files([tmp_path], wanted) as files:
            for name in ("password", "token", "oauth"):
                scout.runs.queue(f"river/{name}")
            with ThreadPoolExecutor(2) as pool:
                said = b"".join(pool.map(partial(command, environment), COMMANDS))
            said += b"".join(command(environment, words) for words in ANSWERS)
            kinds, seen_by_another = tell()
        runs = {
            run.dataset: (run.status, run.error_message, run.transform_error)
            for run in scout.runs.list()
        }
        later = {f"later {name}": value for name, value in tokens(scout).items()}
        everything = said + stored(settings, postgres) + log.read_bytes()

    assert set(runs.values()) == {("completed", None, None)}, runs
    assert len(runs) == 4
    assert later["later refresh_token"] != secrets["first refresh_token"]
    assert kinds == ["scout-dbt", "tap-commcare"]
    assert seen_by_another == []
    assert len(files.seen) > 20
    assert files.found == set()
    assert b"debug" in log.read_bytes()
    found = {
        what
        for what, secret in {**secrets, **later}.items()
        if any(word in everything for word in spellings(secret))
    }
    assert found == set()


def test_spellings_find_encoded_secrets():
    secret = "canary/+&= of 25 letters!"
    login = f"ann@example.org:{secret}"

    for text in (
        secret,
        login.encode().hex(),
        urllib.parse.quote(login),
        urllib.parse.urlencode({"key": secret}),
        *(b64encode(f"{'x' * length}{secret}yy".encode()).decode() for length in range(6)),
    ):
        assert any(word in text.encode() for word in spellings(secret)), text
