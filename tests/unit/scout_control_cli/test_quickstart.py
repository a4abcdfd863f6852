"""What ``scout quickstart`` decides before there is an installation."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from scout_control.api.quickstart.answers import Answers
from scout_control.cli import quickstart
from scout_control.cli.main import main
from scout_control.cli.quickstart_questions import missing_error
from scout_control.errors import SettingsError


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run it far from any project; nothing may be made there."""
    for name in ("SCOUT_PROJECT_ROOT", "SCOUT_HOME", "SCOUT_QUICKSTART_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(quickstart, "_home", lambda: None)

    def runner(*words, **variables):
        before = set(tmp_path.iterdir())
        done = CliRunner().invoke(main, ["quickstart", *words], env=variables)
        assert set(tmp_path.iterdir()) == before
        return done

    return runner


def test_without_a_terminal_every_missing_answer_is_named(run):
    done = run()

    assert done.exit_code == 2
    for option in (
        "--source",
        "--domain",
        "--api-key-file",
        "--database-url-from-env",
        "--no-load",
    ):
        assert option in done.stderr


def test_yes_takes_the_defaults_but_no_account(run):
    done = run("--yes", "--domain", "river", "--json")

    error = json.loads(done.stdout)["error"]
    assert (done.exit_code, error["code"]) == (2, "VALIDATION_ERROR")
    assert error["remedy"] == "Give --username E-MAIL and --api-key-file FILE."


def test_variables_answer_as_options_do(run):
    done = run(
        "--yes",
        "--json",
        SCOUT_QUICKSTART_SOURCE="connect",
        SCOUT_QUICKSTART_SERVER="https://connect.example.org",
    )

    remedy = json.loads(done.stdout)["error"]["remedy"]
    assert remedy == "Give --api-key-file FILE with an access token."


@pytest.mark.parametrize(
    "words",
    [
        ("--domain", "a", "--organization", "b"),
        ("--source", "connect", "--domain", "a"),
        ("--source", "commcare", "--organization", ""),
        ("--source", "demo", "--domain", "a"),
    ],
)
def test_a_place_of_another_source_is_refused(run, words):
    done = run(*words)

    assert (done.exit_code, "--organization for connect" in done.stderr) == (2, True)


def test_a_key_is_the_first_line_of_a_file_and_never_shown(run, tmp_path):
    (tmp_path / "key").write_text("\n")
    (tmp_path / "other").write_text("canary\nmore\n")

    assert "is empty" in run("--api-key-file", "key").stderr
    done = run("--api-key-file", "other", "--source", "connect")
    assert (done.exit_code, "canary" in done.output) == (2, False)
    assert "VARIABLE_X is empty" in run("--database-url-from-env", "VARIABLE_X").stderr


def test_trying_it_leads_to_the_demo(run):
    assert run("--source", "demo").stdout == "Run: scout demo\n"


def test_what_comes_next_names_the_dataset():
    commands = quickstart._after_load(Answers(source="connect"), "a b/connect", 6)

    assert commands[0][0] == "scout describe 'a b/connect'"
    assert "opportunities" in commands[1][0]
    assert "every 6 hours" in commands[-1][1]


def test_missing_options_are_one_sentence():
    error = missing_error(["--a", "--b"])

    assert (type(error), error.remedy) == (SettingsError, "Give --a; --b.")
