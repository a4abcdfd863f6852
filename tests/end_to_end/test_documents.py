"""The commands of READMEs and guides, pasted into a shell as a reader would.

Which blocks those are is in ``support/documents.py``. What a reader would write for a placeholder
is in the replacements of each test, and is all that is changed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from urllib.parse import parse_qsl

import psycopg
import pytest
import requests
import yaml
from commcare_sandbox import Sandbox
from psycopg.conninfo import conninfo_to_dict
from scout_control.installation import embedded_postgres, project_folder
from scout_control.installation.encryption import generate
from scout_control.installation.settings import Settings
from scout_control.meltano.project import Plugins
from support.documents import (
    ADD_A_SOURCE,
    OPERATIONS,
    PIPES,
    REST,
    SANDBOX_PYTHON,
    SQL,
    WEB,
    run_by,
)
from support.pasted import paste, path_with, programs
from support.rest import serving

from scout_control import Scout

ROOT = Path(__file__).parents[2]
HQ = "https://www.commcarehq.org"
OWN_JOB = "jobs: [{name: hq, tasks: [tap-commcare target-scout-postgres]}]\n"  # without dbt
CURL = 'curl() { command curl -fsS "$@"; }'  # an error response is a failure
LATEST = "import json, sys; print(json.load(sys.stdin)[0]['run_id'])"


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(cases=30, forms=10, connect_visits=10) as started:
        yield started


@pytest.fixture(scope="module")
def started_programs(tmp_path_factory):
    return programs(tmp_path_factory.mktemp("bin"))


@pytest.fixture
def database(control_postgres, tmp_path):
    return embedded_postgres.create_database(control_postgres, f"docs_{tmp_path.name[-14:]}")


def rows(url, statement):
    with psycopg.connect(url) as connection:
        return connection.execute(statement).fetchall()


def test_taps_and_target_are_piped_as_the_readmes_say(
    sandbox, started_programs, database, tmp_path
):
    environment = os.environ | {"PATH": path_with(started_programs)}
    hq = {"base_url": sandbox.url, "domain": sandbox.domain}
    hq |= {"username": sandbox.username, "api_key": sandbox.api_key}
    token = sandbox.info["connect"]["access_token"]
    connect = {"base_url": sandbox.connect.url, "access_token": token}
    for document, tap, config in (
        ("README.md", "tap.json", hq),
        ("tap-commcare/README.md", "config.json", hq),
        ("tap-commcare-connect/README.md", "config.json", connect),
    ):
        folder, schema = tmp_path / document.replace("/", "-"), f"from_{len(document)}"
        folder.mkdir()
        target = {"database_url": database, "default_target_schema": schema}
        (folder / tap).write_text(json.dumps(config))
        (folder / "target.json").write_text(json.dumps(target))
        paste(run_by(PIPES, document), folder, environment)
        table, count = ("visits", 10) if config is connect else ("cases", 30)
        assert rows(database, f"SELECT count(*) FROM {schema}.{table}") == [(count,)]

    folder = tmp_path / "target"
    folder.mkdir()
    target = {"database_url": database, "default_target_schema": "crm"}
    (folder / "config.json").write_text(json.dumps(target))
    paste(run_by(PIPES, "target-scout-postgres/README.md"), folder, environment)
    assert rows(database, "SELECT * FROM crm.users") == [(1, "Asha")]
    assert json.loads((folder / "state.jsonl").read_text()) == {"bookmarks": {"users": {"at": 1}}}


def test_the_sandbox_answers_the_requests_of_its_readme(sandbox, started_programs, tmp_path):
    names = ("url", "domain", "username", "api_key", "client_id", "client_secret", "refresh_token")
    printed = {name: getattr(sandbox, name) for name in names}
    (tmp_path / "sandbox.json").write_text(json.dumps(printed))
    blocks = run_by(PIPES, "commcare-sandbox/README.md")
    said = paste([CURL, *blocks], tmp_path, os.environ | {"PATH": path_with(started_programs)})

    assert '"case_type": "pregnancy"' in said.replace('":"', '": "')
    assert '"access_token"' in said
    assert "new-1" in [each["case_id"] for each in sandbox.content("cases")]


def test_the_python_of_the_sandbox_works(tmp_path):
    [example] = run_by(SANDBOX_PYTHON, "commcare-sandbox/README.md")
    client = textwrap.dedent("""
        import requests, time

        def my_client(url, domain, username, key):
            page, headers = "?limit=200", {"Authorization": f"ApiKey {username}:{key}"}
            while page is not None:
                found = requests.get(f"{url}/a/{domain}/api/case/v2/{page}", headers=headers)
                if found.status_code == 429:
                    continue
                found.raise_for_status()
                yield from (each["case_id"] for each in found.json()["cases"])
                following = found.json().get("next")
                page = following and "?" + following.partition("?")[2]
    """)
    (tmp_path / "test_example.py").write_text(client + example)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_example.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout

    [changes] = run_by(SANDBOX_PYTHON, "commcare-sandbox/commcare_sandbox/connect/README.md")
    found = {"Sandbox": Sandbox}
    exec(changes, found)
    assert found["row"]["row_id"]


@pytest.fixture
def installation(started_programs, database, tmp_path):
    """The environment of an empty installation, whose project loads without dbt."""
    root = tmp_path / "project"
    project_folder.create(root)
    file = root / "meltano.yml"
    file.write_text(file.read_text().replace("jobs: []\n", OWN_JOB))
    key = generate()
    (tmp_path / "scout.keys").write_text(f"{key}\n")
    return {
        "PATH": path_with(started_programs),
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "SCOUT_DATABASE_URL": database,
        "SCOUT_ENCRYPTION_KEYS": key,
        "SCOUT_HOME": str(tmp_path / "home"),
        "SCOUT_PROJECT_ROOT": str(root),
    }


def test_an_installation_is_operated_as_the_guides_say(
    installation, sandbox, postgres, control_postgres, tmp_path
):
    other = embedded_postgres.create_database(control_postgres, f"docs_w_{tmp_path.name[-12:]}")
    with psycopg.connect(postgres, autocommit=True) as connection:
        for role in ("analyst", "dashboard"):
            if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone():
                connection.execute(f"CREATE ROLE {role}")
    blocks = run_by(OPERATIONS, "docs/guides/operate.md")
    start, *later = [each for each in blocks if "SCOUT_DATABASE_URL" not in each]
    [production] = [each for each in blocks if "SCOUT_DATABASE_URL" in each]
    environment = installation | {"KEY": sandbox.api_key}
    account = {
        "make setup": "true",
        HQ: sandbox.url,
        "you@example.org": f"{sandbox.username} --from-env KEY",
    }
    said = paste([start], tmp_path, environment, account)
    assert "river/hq: completed" in said
    # As in the guide, where ann reads with her own credential.
    by_user = "scout links update hq --project river --mode user"
    back = "scout links update hq --project river --mode project"
    ensure = next(each for each in later if "datasets ensure" in each)
    later[later.index(ensure)] = f"{by_user}\n{ensure}\n{back}"
    said = paste(
        [f'ID=$(scout runs list --json | python3 -c "{LATEST}")', *later],
        tmp_path,
        environment,
        {" ID ": ' "$ID" ', "--receipt ann.json": "--yes --receipt ann.json"},
    )
    assert '"public", "data_river_commcare_' in said
    assert "Re-encrypted" in said

    with_new_keys = environment | {
        "SCOUT_ENCRYPTION_KEYS": (tmp_path / "new.keys").read_text().strip()
    }
    hash_of_audit = "--expect $(scout audit --verify --json | jq -r .hash)"
    jq = "import json, sys; print(json.load(sys.stdin)['hash'])"
    has_jq = f'command -v jq || jq() {{ python3 -c "{jq}"; }}'
    paste(
        [has_jq, *run_by(OPERATIONS, "docs/security.md")],
        tmp_path,
        with_new_keys,
        {"--expect HASH": hash_of_audit},
    )
    paste(run_by(OPERATIONS, "docs/quickstart.md"), tmp_path, with_new_keys)
    again = {
        "domain=river-health": "domain=$DOMAIN",
        "river": "brook",
        " hq": " lake",
        "/hq": "/lake",
    }
    readme = paste(
        run_by(OPERATIONS, "README.md"),
        tmp_path,
        with_new_keys | {"DOMAIN": sandbox.domain},
        account | again,
    )
    assert "brook/lake: completed" in readme

    elsewhere = tmp_path / "production"
    elsewhere.mkdir()
    paste(
        [production],
        elsewhere,
        installation,
        {
            "postgresql://scout:...@db.example.org/warehouse": f"'{other}'",
            "--concurrency 4": "--concurrency 4 --until-idle",
        },
    )
    assert (elsewhere / "scout.keys").stat().st_mode & 0o777 == 0o600


def test_the_guide_of_the_rest_interface_leads_from_nothing_to_rows(
    installation, sandbox, tmp_path
):
    fields = {"username": sandbox.username, "api_key": sandbox.api_key}
    account = {"source": "hq", "project": "clinic", "kind": "api_key", "fields": fields}
    (tmp_path / "account.json").write_text(json.dumps(account))
    settings = Settings(
        project_root=Path(installation["SCOUT_PROJECT_ROOT"]),
        home=Path(installation["SCOUT_HOME"]),
        database_url=installation["SCOUT_DATABASE_URL"],
        encryption_keys=installation["SCOUT_ENCRYPTION_KEYS"],
    )
    with Scout(settings) as scout:
        scout.init()
        with serving(scout) as address:
            said = paste(
                run_by(REST, "docs/guides/rest.md"),
                tmp_path,
                installation,
                {
                    "http://127.0.0.1:8765": address,
                    '"config": {"domain": "river-health"}': json.dumps(
                        {"base_url": sandbox.url, "config": {"domain": sandbox.domain}}
                    )[1:-1],
                },
            )
        assert scout.links.show("clinic", "hq").refresh_interval_hours == 6
        assert [each.status for each in scout.runs.list()] == ["completed"]

    assert '"columns":["case_type","count"]' in said
    assert "event: end" in said


def test_the_statements_for_administrators_are_accepted(postgres, tmp_path):
    """They change the whole server, so they run in transactions that are not committed."""
    documents = ("docs/guides/operate.md", "docs/security.md")
    texts = [text for document in documents for text in run_by(SQL, document)]
    statements = [line for text in texts for line in text.splitlines() if line]
    names = {" scout": " docs_scout", "warehouse": "docs_warehouse", "'...'": "'x'"}
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS docs_warehouse")
        connection.execute("DROP DATABASE IF EXISTS other")
        connection.execute("DROP ROLE IF EXISTS docs_scout")
        connection.execute("CREATE DATABASE other")
        try:
            for line in sorted(statements, key=lambda each: "CREATE ROLE" not in each):
                statement = line.partition("--")[0]
                for name, real in names.items():
                    statement = statement.replace(name, real)
                connection.execute(statement)
        finally:
            for name in ("docs_warehouse", "other"):
                connection.execute(f"DROP DATABASE IF EXISTS {name}")
            connection.execute("DROP ROLE IF EXISTS docs_scout")


def test_an_account_is_connected_in_a_web_application_as_the_guide_says(
    database, sandbox, tmp_path
):
    [example] = run_by(WEB, "docs/guides/embed.md")
    own_address, registered = "https://app.example.org/", "http://127.0.0.1:9/"
    assert own_address in example
    connect = sandbox.info["connect"]
    client = {"client_id": connect["client_id"], "client_secret": connect["client_secret"]}
    settings = Settings(
        project_root=ROOT,
        home=tmp_path / "home",
        database_url=database,
        encryption_keys=generate(),
    )

    def redirect_to(address):
        """Agree on the page of the server, and keep where it leads to."""
        url, _, query = address.partition("?")
        agreed = dict(parse_qsl(query)) | {"allow": "Authorize"}
        answer = requests.post(url, data=agreed, allow_redirects=False, timeout=60)
        names["full_url_of_the_request"] = answer.headers["location"]

    with Scout(settings) as scout:
        scout.init()
        scout.sources.add("hq", "commcare-connect", base_url=connect["url"], **client)
        names = {"scout": scout, "redirect_to": redirect_to}
        exec(example.replace(own_address, registered), names)

        assert scout.credentials.show("hq", user="ann").kind == "oauth2"
    assert names["full_url_of_the_request"].startswith(f"{registered}connected?")


# Reads a table of Postgres, as the tap of the guide would.
TAP = """
    import json, os, sys
    import psycopg2
    if "--test" in sys.argv:
        print("No such option: --test", file=sys.stderr)
        sys.exit(2)
    schema = {"properties": {"id": {"type": "integer"}, "name": {"type": "string"}}}
    if "--discover" in sys.argv:
        stream = {"tap_stream_id": "patients", "stream": "patients", "schema": schema,
                  "key_properties": ["id"], "metadata": [{"breadcrumb": [], "metadata":
                  {"selected": True}}]}
        print(json.dumps({"streams": [stream]}))
    names = {"host": "host", "user": "user", "password": "password", "database": "dbname"}
    login = {to: os.environ["TAP_POSTGRES_" + name.upper()] for name, to in names.items()}
    cursor = psycopg2.connect(**login).cursor()
    cursor.execute("SELECT id, name FROM patients")
    if "--discover" not in sys.argv:
        print(json.dumps({"type": "SCHEMA", "stream": "patients", "schema": schema,
                          "key_properties": ["id"]}))
        for number, name in cursor.fetchall():
            record = {"id": number, "name": name}
            print(json.dumps({"type": "RECORD", "stream": "patients", "record": record}))
        print(json.dumps({"type": "STATE", "value": {"bookmarks": {}}}))
"""


def test_a_source_is_added_as_its_guide_says(installation, database, tmp_path):
    blocks = run_by(ADD_A_SOURCE, "docs/guides/add-a-source.md")
    [commands] = [each for each in blocks if "scout sources add" in each]
    [plugin, *others] = [yaml.safe_load(each) for each in blocks if each is not commands]
    [entry] = plugin["plugins"]["extractors"]
    more = {name: value for each in others for name, value in each.items()}
    program = tmp_path / "tap-postgres"
    program.write_text(f"#!{sys.executable}\n{textwrap.dedent(TAP)}")
    program.chmod(0o755)
    root = Path(installation["SCOUT_PROJECT_ROOT"])
    document = yaml.safe_load((root / "meltano.yml").read_text())
    document["plugins"] = {"extractors": [entry | more]}
    document["jobs"] = more.pop("jobs")
    (root / "meltano.yml").write_text(yaml.safe_dump(document))
    declared = Plugins(root).source_type("postgres")
    assert declared.credential_kinds == ("oauth2", "api_key")
    assert declared.job == "clinic-sync"

    # Without annotations, which describe another kind of source, and without dbt.
    entry |= {"executable": str(program)}
    entry["settings_group_validation"] = more["settings_group_validation"]
    document["plugins"] = {"extractors": [entry]}
    document["jobs"][0]["tasks"] = ["tap-postgres target-scout-postgres"]
    (root / "meltano.yml").write_text(yaml.safe_dump(document))
    with psycopg.connect(database) as connection:
        connection.execute("CREATE TABLE patients AS SELECT 1 AS id, 'Asha' AS name")
    login = conninfo_to_dict(database)
    said = paste(
        ["scout init\nscout projects create river", commands],
        tmp_path,
        installation | {"PASSWORD": login["password"]},
        {
            # From an index, which takes a minute.
            "python3 -m venv /opt/taps/tap-postgres && "
            "/opt/taps/tap-postgres/bin/pip install meltanolabs-tap-postgres": "true",
            "host=db.example.org": f"host={login['host']}",
            "user=reader": f"user={login['user']}",
            "database=clinic": f"database={login['dbname']}",
            "--secret password": "--secret password --from-env PASSWORD",
        },
    )
    assert "river/clinic: completed" in said
