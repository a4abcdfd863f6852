"""What ``scout url`` tells people, and what psql gets, without a database."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from scout_control.api.readers import ReaderUrl
from scout_control.cli import readers
from scout_control.cli.main import main
from scout_control.errors import NotFoundError
from scout_control.rules.reader_urls import ReaderLogin

LOGIN = ReaderLogin(
    host="db.example.org",
    port=5432,
    database="warehouse",
    user="data_x_login",
    password="canary",
    options={"sslmode": "require"},
)
FOUND = ReaderUrl(
    url=LOGIN.url,
    host=LOGIN.host,
    port=LOGIN.port,
    database=LOGIN.database,
    user=LOGIN.user,
    password=LOGIN.password,
    options=dict(LOGIN.options),
    schema="river_hq",
    expires_at=datetime(2026, 11, 30, 12, tzinfo=UTC),
)


def told(found: ReaderUrl, *, is_embedded: bool = False) -> str:
    return "\n".join(readers.about(found, "river/my hq", is_embedded=is_embedded))


def test_people_are_told_everything_but_the_password():
    text = told(FOUND)

    for words in (
        "schema river_hq",
        "Host db.example.org, port 5432, database warehouse, user data_x_login",
        "2026-11-30 12:00:00Z",
        "scout datasets update 'river/my hq' --keep forever",
        "scout url 'river/my hq' --revoke",
    ):
        assert words in text
    assert "canary" not in text
    assert "socket" not in text


def test_data_that_is_kept_has_no_end():
    text = told(replace(FOUND, expires_at=None))

    assert "stays until it is revoked" in text
    assert "--keep" not in text


@pytest.mark.parametrize(("is_embedded", "is_advised"), [(True, True), (False, False)])
def test_only_the_embedded_server_can_be_told_to_listen(is_embedded, is_advised):
    text = told(replace(FOUND, host="/run/postgresql"), is_embedded=is_embedded)

    assert "Unix socket" in text
    assert ("scout init --listen" in text) is is_advised


def test_psql_gets_its_login_and_no_other_secret():
    variables = {
        "PATH": "/bin",
        "PSQL_EDITOR": "vi",
        "SCOUT_ENCRYPTION_KEYS": "canary",
        "SCOUT_DATABASE_URL": "canary",
        "MELTANO_DATABASE_URI": "canary",
        "PGHOSTADDR": "192.0.2.1",
        "PGSERVICE": "other",
        "PGOPTIONS": "-c role=scout",
    }

    assert readers.environment(variables, LOGIN) == {
        "PATH": "/bin",
        "PSQL_EDITOR": "vi",
        **LOGIN.environment,
        "PGAPPNAME": "scout psql",
    }


@pytest.mark.parametrize(
    ("installed", "bundled", "is_embedded", "program"),
    [
        ("/bin/psql", "/wheel/psql", False, "/bin/psql"),
        ("/bin/psql", "/wheel/psql", True, "/wheel/psql"),
        ("/bin/psql", None, True, "/bin/psql"),
        (None, "/wheel/psql", False, "/wheel/psql"),
    ],
)
def test_psql_is_the_installed_one_or_that_of_the_embedded_server(
    installed, bundled, is_embedded, program
):
    found = readers.choose_psql(installed, bundled, "river/hq", is_embedded=is_embedded)

    assert found == program


def test_without_psql_the_message_says_how_to_install_it():
    with pytest.raises(NotFoundError, match="apt install postgresql-client") as raised:
        readers.choose_psql(None, None, "river/my hq", is_embedded=False)
    assert "scout query 'river/my hq'" in str(raised.value)


def test_psql_refuses_json_for_it_prints_none():
    done = CliRunner().invoke(main, ["--json", "psql", "river/hq", "-c", "select 1"])

    assert done.exit_code == 2
    assert "scout query" in json.loads(done.stdout)["error"]["message"]


@pytest.mark.parametrize(("returncode", "code"), [(0, 0), (3, 3), (-13, 141)])
def test_the_exit_code_of_psql_is_passed_on(returncode, code):
    assert readers.exit_code(returncode) == code
