"""``scout quickstart`` as a person types it, interrupted in several places, and as scripts do."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from urllib.parse import parse_qsl

import psycopg
import pytest
import requests
from commcare_sandbox import Sandbox
from scout_control.installation import embedded_postgres, project_folder
from scout_control.installation.encryption import generate
from support.preloaded import run_scout
from support.screens import on_screen
from support.workers import wait_until

SCOUT = Path(sys.executable).with_name("scout")
OWN_JOB = "jobs: [{name: hq, tasks: [tap-commcare target-scout-postgres]}]\n"  # without dbt
WRONG = "canary-wrong-key"


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(cases=60, forms=20) as started:
        yield started


@pytest.fixture
def environment(control_postgres, tmp_path):
    """An empty installation, with a project that loads without dbt."""
    root = tmp_path / "project"
    project_folder.create(root)
    file = root / "meltano.yml"
    file.write_text(file.read_text().replace("jobs: []\n", OWN_JOB))
    usual = {name: os.environ[name] for name in ("PATH",) if name in os.environ}
    return usual | {
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "TERM": "xterm",
        "SCOUT_DATABASE_URL": embedded_postgres.create_database(
            control_postgres, f"quick_{tmp_path.name[-12:]}"
        ),
        "SCOUT_ENCRYPTION_KEYS": generate(),
        "SCOUT_HOME": str(tmp_path / "home"),
        "SCOUT_PROJECT_ROOT": str(root),
    }


@pytest.fixture
def warehouse(control_postgres, tmp_path):
    return embedded_postgres.create_database(control_postgres, f"wh_{tmp_path.name[-12:]}")


def test_questions_are_asked_until_answers_hold_and_an_interruption_loses_none(
    environment, sandbox, warehouse, tmp_path
):
    def started(*words):
        command = [SCOUT, "quickstart", *words]
        return on_screen(command, environment, columns=160, rows=70, folder=tmp_path)

    right = f"{sandbox.url}/a/{sandbox.domain}/dashboard/"
    with started() as screen:
        screen.wait_for("[commcare]:")
        screen.type("hq\n")
        screen.wait_for("'hq' is not one of")
        screen.type("\n")
        screen.wait_for("Project space:")
        screen.type(f"{sandbox.url}\n")
        screen.wait_for("names no project space")
        screen.type(f"{sandbox.url}/a/no-such-space/\n")
        shown = screen.wait_for("Username (e-mail):")
        assert f"{sandbox.url}/account/api_keys/" in shown
        screen.type(f"{sandbox.username}\n")
        screen.wait_for("API key (hidden):")
        screen.type_hidden(f"{WRONG}\n")
        screen.wait_for("hq rejected the credential")
        screen.wait_for("/a/no-such-space/]:")  # the address may be what is wrong
        screen.type("\n")
        screen.wait_for(f"[{sandbox.username}]:")
        assert screen.interrupt() == 130
        assert screen.lines()[-1] == "Interrupted. To continue: scout quickstart"
        assert WRONG not in screen.text()
    assert projects(environment) == []

    with started() as screen:
        shown = screen.wait_for(f"[{sandbox.username}]:")
        assert "Continues with no-such-space" in shown
        assert "1 of 5" not in shown
        screen.type("\n")
        screen.wait_for("API key (hidden):")
        screen.type_hidden(f"{sandbox.api_key}\n")
        shown = screen.wait_for("/a/no-such-space/]:")
        assert "(HTTP 403)" in shown.replace("\n", "")
        screen.type(f"{right}\n")
        screen.wait_for("URL (hidden):")
        screen.type_hidden("\x04")  # Ctrl-D
        assert screen.end() == 130
        assert screen.lines()[-1] == "Interrupted. To continue: scout quickstart"
        assert sandbox.api_key not in screen.text()
    assert projects(environment) == [sandbox.domain]

    with started() as screen:
        shown = screen.wait_for("URL (hidden):")
        assert "3 of 5" not in shown
        screen.type_hidden("mysql://x\n")
        screen.wait_for("This is not a Postgres URL")
        screen.type_hidden(f"{warehouse}\n")
        screen.wait_for("[24]:")
        screen.type("0\n")
        screen.wait_for("from 1 to 8784")
        screen.type("6\n")
        screen.wait_for("prepare")  # the display of the run
        screen.type("\x03")
        assert screen.end() == 130
        assert f"{sandbox.domain}/hq: interrupted by Ctrl-C after" in screen.text()
        assert f"Next: scout run {sandbox.domain}/hq" in screen.text()
        assert "run_lost" not in screen.text()

    with started() as screen:
        assert screen.end() == 0
        shown = screen.text()
    assert "of 5" not in shown
    assert f"{sandbox.domain}/hq: completed" in shown
    assert not (tmp_path / "home/quickstart.json").exists()
    assert_is_as_answered(environment, sandbox, warehouse)
    assert_advice_works(shown, environment, tmp_path)


def test_connect_is_connected_by_oauth_where_no_browser_can_be_opened(
    environment, sandbox, tmp_path
):
    connect = sandbox.info["connect"]
    words = ("--source", "connect", "--server", connect["url"], "--no-browser", "--no-load")
    command = [SCOUT, "quickstart", *words]
    with on_screen(command, environment, columns=900, rows=40, folder=tmp_path) as screen:
        screen.wait_for("Organization:")
        screen.type("\n")
        shown = screen.wait_for("paste an access token instead):")
        assert f"{connect['url']}/o/applications/" in shown
        screen.type(f"{connect['client_id']}\n")
        screen.wait_for("Client secret")
        screen.type_hidden("wrong\n")
        screen.wait_for("Paste the URL")
        screen.type("http://127.0.0.1:1/nothing\n")
        wait_until(lambda: screen.text().count("Organization:") == 2)  # so is the address
        screen.type("\n")
        screen.wait_for(f"[{connect['client_id']}]:")  # the question is repeated
        screen.type("\n")
        wait_until(lambda: screen.text().count("Client secret") == 2)
        screen.type_hidden(f"{connect['client_secret']}\n")
        wait_until(lambda: screen.text().count("Paste the URL") == 2)
        asked = re.findall(r"^  (http\S+)$", screen.text(), re.MULTILINE)[-1]
        address, _, query = asked.partition("?")
        agreed = dict(parse_qsl(query)) | {"allow": "Authorize"}
        answer = requests.post(address, data=agreed, allow_redirects=False, timeout=60)
        screen.type(f"{answer.headers['location']}\n")
        screen.wait_for("URL (hidden):")
        screen.type_hidden("\n")
        assert screen.end() == 0
        assert "connect/connect is set up." in screen.text()
    [credential] = told(environment, "credentials", "list")
    assert (credential["kind"], credential["status"]) == ("oauth2", "connected")


def scout(environment, *words):
    return run_scout(words, environment)


def told(environment, *words):
    done = scout(environment, *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def projects(environment):
    return [each["id"] for each in told(environment, "projects", "list")]


def assert_is_as_answered(environment, sandbox, warehouse):
    [link] = told(environment, "links", "list")
    assert (link["refresh_interval_hours"], link["sync_config"]) == (6, {"domain": sandbox.domain})
    [dataset] = told(environment, "datasets", "list")
    with psycopg.connect(warehouse) as connection:
        statement = f'SELECT count(*) FROM "{dataset["schema"]}".cases'
        assert connection.execute(statement).fetchone() == (60,)


def assert_advice_works(shown, environment, folder):
    """Run what is printed as the next commands, except for a worker, which does not end."""
    commands = re.findall(r"^  (scout .*)$", shown.partition("\nNext:")[2], re.MULTILINE)
    assert len(commands) == 5
    for command in commands:
        # The page is of dbt's models, which this project does not build.
        if command != "scout worker" and not command.startswith("scout docs"):
            [_, *words] = re.findall(r'"[^"]*"|\S+', command)
            done = scout(environment, *(word.strip('"') for word in words))
            assert done.returncode == 0, (command, done.stderr)


def test_without_a_terminal_what_is_missing_is_named_and_the_rest_needs_no_question(
    environment, sandbox, tmp_path
):
    def quickstart(*words, **variables):
        return run_scout(("quickstart", *words), environment | variables)

    nothing = quickstart()
    assert nothing.returncode == 2
    for option in (
        "--source",
        "--domain",
        "--api-key-file",
        "--database-url-from-env",
        "--no-load",
    ):
        assert option in nothing.stderr
    assert not (tmp_path / "home").exists()  # nothing was started

    key = tmp_path / "key"
    key.write_text(f"{WRONG}\n")
    words = ("--yes", "--domain", f"{sandbox.url}/a/{sandbox.domain}/", "--no-load")
    named = (*words, "--username", sandbox.username)
    refused = quickstart(*named, "--api-key-file", str(key))
    assert refused.returncode == 77
    assert "reconnect" in refused.stderr
    assert WRONG not in refused.stdout + refused.stderr
    assert projects(environment) == []

    for more in ((), ("--no-test",)):  # the second time, nothing is added
        done = quickstart(*named, *more, "--json", SCOUT_QUICKSTART_API_KEY=sandbox.api_key)
        assert (done.returncode, json.loads(done.stdout)["dataset"]) == (0, "river-health/hq")
        counts = [
            len(told(environment, noun, "list"))
            for noun in ("projects", "sources", "links", "credentials", "datasets")
        ]
        assert counts == [1, 1, 1, 1, 1]
    assert json.loads(quickstart("--source", "demo", "--json").stdout)["next"] == "scout demo"
    both = quickstart("--source", "connect", "--domain", "x")
    assert (both.returncode, "--organization for connect" in both.stderr) == (2, True)
