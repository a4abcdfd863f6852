"""A purge removes everything of an owner and nothing of others, and can be verified."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from commcare_sandbox import Sandbox
from scout_control.api.scout import Scout
from scout_control.errors import SettingsError
from scout_control.installation import embedded_postgres
from scout_control.installation.settings import Settings
from scout_control.meltano import workdir
from scout_control.rules.naming import writer_role
from scout_control.runs.context import RunContext, worker_name
from scout_control.runs.execute import execute
from support.installations import a_database, installed
from support.preloaded import run_scout
from support.workers import environment_of, wait_until, worker

ROOT = Path(__file__).parents[2]
ANN = "ann.o'neil-7f3a@example.org"
EMAIL, NAME = "Kimani-7f3a@example.org", "Canary Kimani"
DATA = "canary-in-a-name-of-ann"
LONGEST_SECONDS = 400
# Every row of every table and catalog that the role may read, as text.
TABLES = """
    SELECT format('SELECT %L || t::text FROM %I.%I AS t', relname || ' ', nspname, relname)
      FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
     WHERE relkind IN ('r', 'm', 'p') AND nspname NOT LIKE 'pg_toast%'
       AND has_table_privilege(pg_class.oid, 'SELECT')
    UNION ALL
    SELECT 'SELECT ''statistics_of_'' || tablename || '' '' || t::text FROM pg_stats AS t'
"""


def everything(server_url):
    """Return all that can be read in all databases of a server."""
    found = []
    with psycopg.connect(server_url, autocommit=True) as connection:
        names = connection.execute("SELECT datname FROM pg_database WHERE datallowconn").fetchall()
    for (name,) in names:
        parts = urllib.parse.urlsplit(server_url)
        url = urllib.parse.urlunsplit(parts._replace(path=f"/{urllib.parse.quote(name)}"))
        with psycopg.connect(url, autocommit=True) as connection:
            for (statement,) in connection.execute(TABLES).fetchall():
                found += [row for (row,) in connection.execute(statement).fetchall()]
    return "\n".join(filter(None, found))


def found_in(text, wanted):
    """Return the locations of words in what was read."""
    lines = text.splitlines()
    return {
        (line.split()[0], word, line[:300]) for line in lines for word in wanted if word in line
    }


def files_below(*places, but):
    for place in places:
        for folder, folders, names in os.walk(place):
            folders[:] = [each for each in folders if Path(folder, each) not in but]
            yield from (Path(folder, name) for name in (*folders, *names))


def told_on_disk(wanted, *places, but=()):
    """Return the files with a word in their content or name."""
    scratches = [path for path in workdir.IN_MEMORY.glob("scout-*") if path.is_dir()]
    found = []
    for path in files_below(*places, *scratches, but=but):
        held = path.read_bytes() if path.is_file() and path not in but else b""
        if any(word.encode() in held or word in path.name for word in wanted):
            lines = held.splitlines() if path.suffix == ".log" else []
            told = [line for line in lines if any(word.encode() in line for word in wanted)]
            found.append((str(path), told))
    return found


def variables(settings):
    environment = environment_of(settings) | {"SCOUT_ACTOR": "olga"}
    if settings.database_url is None:
        del environment["SCOUT_DATABASE_URL"], environment["SCOUT_ENCRYPTION_KEYS"]
    return environment


def program(settings, *words, stdin=subprocess.DEVNULL, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "scout_control", *words],
        env=variables(settings),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def command(settings, *words):
    done = run_scout(words, variables(settings))
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(cases=8, forms=4, connect_visits=4) as started:
        yield started


@pytest.fixture
def home(folder):
    """The home of an installation with an embedded Postgres."""
    yield folder / "home"
    embedded_postgres.stop(folder / "home" / "postgres")


def consent(scout, source, user):
    """Give consent at the source, as a person with a browser does."""
    request = scout.credentials.ask(source, "http://127.0.0.1:9/callback")

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None

    form = urllib.parse.urlencode({"allow": "1"}).encode()
    with pytest.raises(urllib.error.HTTPError) as answered:
        urllib.request.build_opener(Stay).open(request.url, data=form)
    with answered.value as answer:
        scout.credentials.answer(source, request, answer.headers["Location"], user=user)


def furnish(scout, sandbox):
    """Create data of ann and bob; return the terms that identify ann."""
    connect = sandbox.connect
    client = connect.logins()
    named = {name: client[name] for name in ("client_id", "client_secret")}
    scout.init()
    scout.sources.add("hq", "commcare", base_url=sandbox.url, config={"domain": sandbox.domain})
    scout.sources.add("work", "commcare-connect", base_url=connect.url, **named)
    for project in ("river", "lake"):
        scout.projects.create(project)
        scout.sources.link(project, "hq", mode="user")
    login = {"username": sandbox.username, "api_key": sandbox.api_key}
    for user in (ANN, "bob"):
        scout.credentials.save("hq", "api_key", login, user=user)
    consent(scout, "work", ANN)
    scout.people.add(ANN, name=NAME, email=EMAIL, issuer=f"https://{EMAIL}", subject=EMAIL)
    scout.people.add("bob", name="Bob")
    for user in (ANN, "bob"):
        scout.members.add("river", user)
        scout.tokens.create(user, name=f"of {NAME}" if user == ANN else "of Bob")
    paths = [
        scout.datasets.ensure(project, "hq", user=user).path
        for project, user in (("river", ANN), ("lake", ANN), ("river", "bob"))
    ]
    log_file = scout.installation.settings.home / "run.log"
    for path in (paths[0], paths[2]):
        run = scout.runs.execute(path, log_file=log_file)
        assert run.status == "completed", run.error_message
    scout.datasets.query(paths[0], "select 1 from cases")
    scout.models.describe(paths[0])
    scout.datasets.url(paths[0])
    scout.runs.queue(paths[1])
    found = [scout.datasets.show(path) for path in paths]
    return [each.schema for each in found], [each.id for each in found]


def litter(url, schema):
    """Leave traces outside of control: in the server's log, a large object, a view, a grant."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in (
            f"SELECT * FROM {schema}.nothing",
            f"SELECT 1/0 AS x WHERE '{EMAIL}' <> ''",
            f"SELECT 1/0, '{ANN.replace(chr(39), chr(39) * 2)}'\n,\n2",
        ):
            with pytest.raises(psycopg.Error):
                connection.execute(statement)
        connection.execute(f"SET ROLE {writer_role(schema)}")
        connection.execute("SELECT lo_from_bytea(0, 'canary')")
        connection.execute("RESET ROLE")
        connection.execute(f"CREATE VIEW public.of_all AS SELECT case_id FROM {schema}.cases")


@pytest.mark.timeout(900)
def test_nothing_remains_of_a_purged_user(sandbox, home, tmp_path):
    settings = Settings(project_root=ROOT, home=home)
    receipt = tmp_path / "receipt.json"
    with Scout(settings) as scout:
        schemas, ids = furnish(scout, sandbox)
        url = embedded_postgres.url(home / "postgres", "control")
        litter(url, schemas[0])
        alias = str(scout.datasets.show(schemas[0]).alias)
        hers = [EMAIL, NAME, ANN, ANN.replace("'", "''"), alias, *schemas[:2], *ids[:2]]
        data = home / "postgres"
        assert found_in(everything(url), hers)
        assert told_on_disk(hers, home, but=[data])

        code, told, _ = command(settings, "purge", "--user", ANN, "--dry-run", "--json")
        plan = json.loads(told)
        assert (code, plan["schemas"], plan["credentials"]) == (0, sorted(schemas[:2]), 2)
        assert plan["dropped_too"] == ["public.of_all"]
        assert [plan[each] for each in ("people", "memberships", "tokens")] == [1, 1, 1]
        assert scout.datasets.query(f"river/hq/{ANN}", "select count(*) from cases").rows == [(8,)]
        code, told, said = command(settings, "purge", "--user", ANN)
        assert (code, "--yes" in said) == (2, True)
        others = tmp_path / "others"
        others.write_text("kept")
        link = tmp_path / "link.json"
        link.symlink_to(others)
        words = ("purge", "--user", ANN, "--yes", "--json", "--receipt")
        code, _, said = command(settings, *words, str(link))
        assert (code, str(link) in said, others.read_text()) == (2, True, "kept")
        receipt.write_text("of an earlier purge " * 10_000)
        receipt.chmod(0o644)
        words = (*words, str(receipt))
        code, told, said = command(settings, *words)
        written = json.loads(told)
        assert (code, written["left"], written["not_removed"]) == (0, [], []), told + said

        assert found_in(everything(url), hers) == set()
        assert told_on_disk(hers, home, but=[data]) == []
        assert written == json.loads(receipt.read_text())
        assert receipt.stat().st_mode & 0o777 == 0o600
        removed = written["removed"]
        assert (removed["datasets"], removed["runs"], removed["jobs"]) == (2, 2, 1)
        assert (removed["credentials"], removed["credentials_revoked_at_source"]) == (2, 1)
        assert removed["log_lines"] > 0
        assert [removed[each] for each in ("people", "memberships", "tokens")] == [1, 1, 1]

        assert scout.datasets.query("river/hq/bob", "select count(*) from cases").rows == [(8,)]
        assert [each.person for each in scout.members.list()] == ["bob"]
        assert [each.status for each in scout.tokens.list(person="bob")] == ["valid"]
        assert scout.audit.verify().is_whole
        assert {each.user for each in scout.audit.list(limit=1000)} == {None, "bob"}
        assert scout.audit.list(action="purged")[0].details["hash"] == written["hash"]
        assert command(settings, "purge", "--verify", str(receipt))[0] == 0
        assert command(settings, *words[:-2])[0] == 0  # again: nothing to do

        spoil(scout, url, receipt, schemas[0])


def spoil(scout, url, file, schema):
    """Reappearing data and a modified receipt are detected."""
    receipt, verify = json.loads(file.read_text()), scout.purges.verify
    assert verify(receipt).is_gone
    assert not verify(receipt | {"removed": {}}).is_genuine
    with pytest.raises(SettingsError, match="another owner"):
        verify(receipt, owner_id="bob")
    comment = f'COMMENT ON SCHEMA public IS \'["user", "{ANN.replace(chr(39), chr(39) * 2)}"]\''
    for statement, undone in (
        (f"CREATE SCHEMA {schema}", f"DROP SCHEMA {schema}"),
        (f"CREATE ROLE {writer_role(schema)}", f"DROP ROLE {writer_role(schema)}"),
        (comment, "COMMENT ON SCHEMA public IS NULL"),
        (
            "UPDATE scout_control.sources SET config = jsonb_build_object('x', "
            f"'scout run river/hq/{ANN.replace(chr(39), chr(39) * 2)}'::text) WHERE name = 'hq'",
            "UPDATE scout_control.sources SET config = '{}' WHERE name = 'hq'",
        ),
    ):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement)
            assert not verify(receipt).is_gone, statement
            connection.execute(undone)
    scout.installation.dbt_folder(schema).mkdir(parents=True)
    code, told, _ = command(scout.installation.settings, "purge", "--verify", str(file), "--json")
    assert (code, schema in json.dumps(json.loads(told)["left"])) == (1, True)


@pytest.fixture(scope="module")
def installation(postgres, tmp_path_factory):
    with installed(a_database(postgres), tmp_path_factory.mktemp("toys")) as made:
        yield made


@pytest.fixture
def toys(installation):
    """An installation in which each test has separate owners."""
    installation.act()
    return installation


def of_user(toys, project, user):
    """Return the dataset of a user at a separate source."""
    scout, source = toys.scout, f"toy-{uuid.uuid4().hex[:6]}"
    if project not in [each.id for each in scout.projects.list()]:
        scout.projects.create(project)
    scout.sources.add(source, "tap-toy", config={"act": str(toys.folder / "act.json")})
    scout.sources.link(project, source, mode="user")
    scout.credentials.save(source, "settings", {"key": "canary"}, user=user)
    return scout.datasets.ensure(project, source, user=user).path


def names_of(toys, *paths):
    found = [toys.scout.datasets.show(path) for path in paths]
    return [each.schema for each in found] + [each.id for each in found]


def in_database(toys):
    """Return the whole content of the store's database, and the roles of the server."""
    with psycopg.connect(toys.settings.database_url, autocommit=True) as connection:
        return "\n".join(
            row
            for (statement,) in connection.execute(TABLES).fetchall()
            for (row,) in connection.execute(statement).fetchall()
            if row
        )


def test_a_project_is_purged_with_its_users_data_and_a_run_in_progress(toys):
    scout = toys.scout
    project, other_project = f"river-{uuid.uuid4().hex[:8]}", f"lake-{uuid.uuid4().hex[:8]}"
    other, of_bob = toys.dataset(other_project), of_user(toys, other_project, "bob")
    mine, hers = toys.dataset(project), of_user(toys, project, "bob")
    toys.act(name=DATA)
    for path in (mine, hers):
        assert scout.run(path).status == "completed"
    toys.act()
    for path in (other, of_bob):
        assert scout.run(path).status == "completed"
    names = names_of(toys, mine, hers)
    interrupted = toys.settings.home / "quickstart.json"
    interrupted.write_text(json.dumps({"source": "commcare", "project_id": project}))
    toys.act(seconds=3600)
    with worker(toys.settings, stderr=subprocess.DEVNULL) as process:
        begun = len(toys.told())
        run = scout.runs.queue(mine)
        wait_until(lambda: len(toys.told()) > begun)
        pid = toys.told()[-1]["pid"]
        code, told, said = command(toys.settings, "purge", "--project", project, "--yes", "--json")
        assert process.poll() is None
    receipt = json.loads(told)

    assert (code, receipt["left"], receipt["not_removed"]) == (0, [], []), said
    assert receipt["removed"]["runs_cancelled"] == 1
    assert (receipt["removed"]["files"], interrupted.exists()) == (1, False)
    assert (receipt["removed"]["projects"], receipt["removed"]["links"]) == (1, 2)
    assert found_in(in_database(toys), [project, DATA, run.run_id, *names]) == set()
    assert not Path(f"/proc/{pid}/environ").exists()
    assert {other, of_bob} <= {each.path for each in scout.datasets.list()}
    assert toys.rows(other) == toys.rows(of_bob) == [(3,)]
    assert project not in {each.project for each in scout.credentials.list()}
    assert len(scout.credentials.list(user="bob")) == 2
    assert scout.audit.verify().is_whole


def test_a_purge_that_is_killed_at_any_step_can_be_repeated(toys):
    scout, user = toys.scout, f"ann-{uuid.uuid4().hex[:8]}"
    paths = [of_user(toys, "river", user), of_user(toys, "lake", user)]
    for path in paths:
        assert scout.run(path).status == "completed"
    names = names_of(toys, *paths)
    for schema in names[:2]:
        (toys.settings.home / "dbt" / schema).mkdir(parents=True, exist_ok=True)
    words, kills, told = ("purge", "--user", user, "--yes", "--json"), 0, ""
    while kills < 25:
        process = program(toys.settings, *words)
        try:
            told, said = process.communicate(timeout=0.3 * 1.35**kills)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
        else:
            break
    receipt = json.loads(told)

    assert kills > 1
    assert (process.returncode, receipt["left"], receipt["not_removed"]) == (0, [], []), said
    assert found_in(in_database(toys), [user, *names]) == set()
    assert told_on_disk([user, *names], toys.settings.home) == []
    assert scout.audit.verify().is_whole


def test_what_cannot_be_removed_is_reported_and_removed_by_the_next_purge(toys, postgres):
    scout, user = toys.scout, f"ann-{uuid.uuid4().hex[:8]}"
    path = of_user(toys, "river", user)
    assert scout.run(path).status == "completed"
    schema = scout.datasets.show(path).schema
    elsewhere = a_database(postgres)
    with psycopg.connect(elsewhere, autocommit=True) as connection:
        connection.execute("CREATE TABLE left_over ()")
        connection.execute(f"ALTER TABLE left_over OWNER TO {writer_role(schema)}")
        database = urllib.parse.urlsplit(elsewhere).path[1:]
    with psycopg.connect(toys.settings.database_url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
        words = ("purge", "--user", user, "--yes", "--json")
        code, told, _ = command(toys.settings, *words)
        receipt = json.loads(told)
        assert (code, receipt["is_complete"]) == (1, False)
        assert f"{writer_role(schema)} in database {database}" in json.dumps(receipt["left"])
        connection.execute(f"DROP DATABASE {database}")
    code, told, _ = command(toys.settings, *words)

    assert (code, json.loads(told)["left"]) == (0, [])
    assert user not in in_database(toys)


def test_a_database_that_does_not_answer_is_named(toys):
    scout = toys.scout
    scout.connections.add("away", "postgresql://scout:x@127.0.0.1:9/away", test=False)
    code, told, _ = command(toys.settings, "purge", "--user", "nobody-7f3a1", "--yes", "--json")
    scout.connections.remove("away")
    receipt = json.loads(told)

    assert code == 1
    assert [each["where"] for each in receipt["left"]] == ["connection away"]


def typed(settings, answer, *words):
    """Run a command at a terminal, and answer its question."""
    ours, theirs = pty.openpty()
    with closing(os.fdopen(ours, "wb", buffering=0)) as keyboard:
        process = program(settings, *words, stdin=theirs)
        os.close(theirs)
        keyboard.write(answer)
        told, said = process.communicate(timeout=LONGEST_SECONDS)
    return process.returncode, told + said


def test_it_asks_for_confirmation_at_a_terminal_only(toys):
    user = "ann of the terminal"
    path = of_user(toys, "river", user)
    words = ("purge", "--user", user)
    assert command(toys.settings, *words)[0] == 2
    assert command(toys.settings, *words, "--json")[0] == 2
    code, said = typed(toys.settings, b"n\n", *words)
    assert (code, path in said) == (1, True)
    assert toys.scout.datasets.show(path).user == user
    code, said = typed(toys.settings, b"y\n", *words)

    assert code == 0, said
    assert user not in {each.user for each in toys.scout.datasets.list()}


def test_an_id_that_is_an_ordinary_word_is_not_found_where_it_means_something_else(toys):
    """A user has the name of a stream, ``things``, which occurs in state, counts and settings."""
    path = of_user(toys, "river", "bert")
    mine = of_user(toys, "river", "things")
    for each in (path, mine):
        assert toys.scout.run(each).status == "completed"
    code, told, said = command(toys.settings, "purge", "--user", "things", "--yes", "--json")

    assert code == 0, told + said
    assert toys.rows(path) == [(3,)]


def test_a_receipt_without_the_id_requires_it_for_verification(toys, tmp_path):
    user = f"ann-{uuid.uuid4().hex[:8]}"
    path = of_user(toys, "river", user)
    receipt = tmp_path / "receipt.json"
    words = ("purge", "--user", user, "--yes", "--without-id", "--receipt", str(receipt))
    assert command(toys.settings, *words)[0] == 0
    assert f'"{user}"' not in re.sub(r"data_\w+", "", receipt.read_text())
    assert command(toys.settings, "purge", "--verify", str(receipt), "--user", user)[0] == 0
    source = path.split("/")[1]
    toys.scout.credentials.save(source, "settings", {"key": "canary"}, user=user)

    assert command(toys.settings, "purge", "--verify", str(receipt), "--user", user)[0] == 1


def test_a_run_that_does_not_end_is_reported_and_its_data_is_kept(toys):
    path = of_user(toys, "river", "ann")
    toys.act(seconds=3600)
    scout, begun = toys.scout, len(toys.told())
    run = scout.runs.queue(path)
    # A suspended worker of another installation: it holds the dataset and does not react.
    with worker(toys.settings, stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: len(toys.told()) > begun)
        os.kill(process.pid, 19)
        from scout_control.credentials.records import Owner  # noqa: PLC0415
        from scout_control.datasets.purge import steps  # noqa: PLC0415

        began = time.monotonic()
        removal = steps.purge(scout.installation, Owner(user_id="ann"), wait_seconds=1)
        assert time.monotonic() - began < LONGEST_SECONDS
        os.kill(process.pid, 18)
        schema = scout.datasets.show(path).schema
        assert {each["what"] for each in removal.not_removed} == {schema}
        wait_until(lambda: scout.runs.show(run.run_id).status == "cancelled")
    assert scout.credentials.list(user="ann") == []
    context = RunContext(worker=worker_name())
    assert execute(scout.installation, uuid.UUID(run.run_id), context) is None
