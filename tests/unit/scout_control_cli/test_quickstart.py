"""What ``scout quickstart`` decides before there is an installation."""

from __future__ import annotations

import json
import socket
import threading
from types import SimpleNamespace

import click
import pytest
from click.testing import CliRunner
from scout_control.api.quickstart import answers_file
from scout_control.api.quickstart.answers import Answers
from scout_control.api.quickstart.given import Given
from scout_control.api.quickstart.setup import Setup
from scout_control.cli import quickstart
from scout_control.cli import waiting as waits
from scout_control.cli.main import main
from scout_control.cli.quickstart_questions import Interview, missing_error
from scout_control.cli.waiting import waiting
from scout_control.errors import ServerUnavailableError, SettingsError


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


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("http://hq.example.org/a/river/", "must use https"),
        ("https://hq.example.org/", "names no project space"),
        ("https://hq.example.org/a/river/", ""),
    ],
)
def test_a_bad_address_is_named_with_an_empty_key_file(run, tmp_path, place, problem):
    (tmp_path / "key").write_text("")
    said = " ".join(run("--api-key-file", "key", "--domain", place).stderr.split())

    assert "The first line of key is empty." in said
    assert problem in said


def test_a_wait_is_told_with_its_reason(capsys):
    with waiting("Testing it at https://hq") as tell:
        tell("no connection, try 2 (giving up in 10 s)")
        tell("no connection, try 2 (giving up in 9 s)")
        tell("no connection, try 3 (giving up in 9 s)")

    assert capsys.readouterr().err.splitlines() == [
        "Testing it at https://hq...",
        "Testing it at https://hq: no connection, try 2 (giving up in 10 s)",
        "Testing it at https://hq: no connection, try 3 (giving up in 9 s)",
    ]


def test_a_long_wait_is_told_again_and_again_until_it_is_over(monkeypatch):
    said, is_twice = [], threading.Event()

    def say(text, *, err):
        assert err
        said.append(text)
        if sum("so far" in each for each in said) >= 2:
            is_twice.set()

    monkeypatch.setattr(waits, "LINE_EVERY_SECONDS", 0.01)
    monkeypatch.setattr(waits, "say", say)
    with waiting("Testing it"):
        assert is_twice.wait(10)

    assert said[:3] == ["Testing it...", *["Testing it: 0 s so far"] * 2]
    assert not [each for each in threading.enumerate() if each.name.endswith("(remind)")]


def test_a_server_that_does_not_respond_is_told_at_once_and_kept_if_named_again(
    monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(click, "prompt", lambda *_words, **_options: pytest.fail("asked"))
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port = bound.getsockname()[1]
    dead = f"http://127.0.0.1:{port}/a/river"
    interview = Interview(
        SimpleNamespace(installation=None),
        Answers(source="commcare"),
        Given(place=dead),
        tmp_path,
        is_asking=True,
    )
    interview.setup = OnlyConnecting(interview.scout)

    with pytest.raises(ServerUnavailableError, match="no connection"):
        interview._ask_place()
    assert (interview.answers.place, interview.tried) == (None, dead)

    interview.given = Given(place=dead)
    interview._ask_place()
    assert interview.answers.place == "river"


class OnlyConnecting(Setup):
    """Needs no installation."""

    def default_server(self, _answers):
        return "https://hq.example.org"

    def check_place(self, _answers):
        """Take any."""


def test_a_restart_forgets_earlier_answers_before_the_first_question(tmp_path, monkeypatch):
    answers_file.save(tmp_path, Answers(source="commcare"))
    settings = SimpleNamespace(home=tmp_path, make_home=lambda: tmp_path)
    scout = SimpleNamespace(installation=SimpleNamespace(settings=settings), init=lambda: None)

    def terminated(*_words, **_options):
        raise SystemExit(143)

    monkeypatch.setattr(click, "prompt", terminated)
    options = {"is_asking": True, "is_without_browser": False, "is_tested": True}
    with pytest.raises(SystemExit):
        quickstart._set_up(scout, given=Given(), is_restarted=True, **options)
    assert answers_file.load(tmp_path) == Answers()


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
