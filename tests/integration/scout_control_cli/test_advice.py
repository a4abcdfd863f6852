"""What scout advises works in the very situation: each printed command is run as printed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from scout_control.installation.encryption import generate
from support.advice import advised
from support.installations import a_database, installed
from support.preloaded import run_scout
from support.workers import environment_of

# What only a person can know stands in capitals.
NAMES = {
    "PROJECT": "river",
    "NAME": "hq",
    "TYPE": "tap-toy",
    "USER": "ann",
    "SOURCE": "hq",
    "ROLE...": "",
}
TYPED = "canary\n" * 5


@pytest.fixture
def person(control_postgres, tmp_path):
    """A person at an installation: runs commands, and follows the advice that they print."""
    with installed(a_database(control_postgres), tmp_path) as made:
        yield Person(made)


class Person:
    """Runs commands as programs."""

    def __init__(self, installation):
        self.installation = installation
        self.keys = installation.settings.encryption_keys

    def types(self, *words, code=0, given=TYPED, **variables):
        """Run a command; return what it printed."""
        settings = replace(self.installation.settings, encryption_keys=self.keys)
        done = run_scout(words, environment_of(settings) | variables, given)
        said = done.stdout + done.stderr
        assert "Traceback" not in said
        assert done.returncode == code, (words, said)
        return said

    def follows(self, said, code=0):
        """Run the commands that a text advises; return the last one and what it printed."""
        commands = advised(said)
        assert commands, said
        for words in commands:
            typed = [NAMES.get(word, word) for word in words]
            printed = self.types(*[word for word in typed if word], code=code)
        return " ".join(commands[-1]), printed

    def adds_source(self, name):
        config = f"act={self.installation.folder / 'act.json'}"
        return self.types("sources", "add", name, "--type", "tap-toy", "-c", config)


def test_from_init_to_the_first_run_by_following_the_advice(person):
    said = person.types("init")
    command, said = person.follows(said)
    assert command == "projects create PROJECT"
    assert "scout sources add NAME --type TYPE" in said
    said = person.adds_source("hq")
    command, said = person.follows(said)
    assert command.startswith(("sources link hq", "links add hq"))
    command, said = person.follows(said)
    assert command == "credentials connect hq --project river"
    command, said = person.follows(said)
    assert command == "run river/hq"
    assert "completed" in said


def test_a_user_connects_an_account_by_following_the_advice(person):
    person.types("projects", "create", "river")
    person.adds_source("hq")
    said = person.types("sources", "link", "hq", "--project", "river", "--mode", "user")
    command, said = person.follows(said)
    assert command == "credentials connect hq --user USER"
    command, said = person.follows(said)
    assert command == "datasets ensure hq --project river --user ann"
    assert "river/hq/ann" in said


def test_the_advice_of_errors_can_be_followed(person):
    scout, installation = person.installation.scout, person.installation
    for words in (
        ("run", "no/such"),
        ("runs", "show", "nope"),
        ("projects", "show", "nope"),
        ("sources", "show", "nope"),
        ("connections", "show", "nope"),
        ("credentials", "check", "nope", "--project", "river"),
    ):
        command, _ = person.follows(person.types(*words, code=3))
        assert command.endswith(" list")
    dataset = installation.dataset(connect=False)
    _, source = dataset.split("/")
    said = person.types("query", dataset, "select 1", code=1)
    assert "scout run" in said
    said = person.types("run", dataset, code=77)
    assert person.follows(said)[0] == f"credentials connect {source} --project river"
    said = person.types("connections", "remove", "default", code=1)
    assert advised(said) == []

    scout.sources.unlink("river", source)
    said = person.types("run", dataset, code=1)
    assert person.follows(said)[0].startswith(("sources link", "links add"))


def test_a_wrong_key_is_not_stored_and_the_advice_says_how_to_go_on(person):
    installation = person.installation
    dataset = installation.dataset(connect=False)
    _, source = dataset.split("/")
    connect = ("credentials", "connect", source, "--project", "river")
    installation.act(test=77, words="ERROR the key is wrong: canary")
    said = person.types(*connect, code=77)
    assert "Nothing was stored" in said
    assert "the key is wrong: [removed]" in said
    assert installation.scout.credentials.list() == []

    installation.act(test=1, words="ERROR Connection refused")
    said = person.types(*connect, "--json", code=1)
    error = json.loads(said.splitlines()[0])["error"]
    assert (error["code"], error["reason"]) == ("NETWORK_ERROR", "no connection")
    assert "add --no-test" in error["remedy"]
    assert installation.scout.credentials.list() == []
    said = person.types(*connect, "--no-test")
    assert advised(said) == [["run", dataset]]

    installation.act()
    command, _ = person.follows(said)
    assert command == f"run {dataset}"


def test_with_other_keys_the_advice_leads_back_to_a_run(person):
    dataset = person.installation.dataset()
    _, source = dataset.split("/")
    person.keys = generate()
    said = person.types("init", code=2)
    command, said = person.follows(said)
    assert command == "init --reset-unreadable"
    connect = f"scout credentials connect {source} --project river --kind settings"
    assert f"Deleted the credential for {source} --project river. Store it again: {connect}" in said
    said = person.types("doctor", code=1)
    assert person.follows(said)[0] == (
        f"credentials connect {source} --project river --kind settings"
    )
    assert person.installation.scout.datasets.show(dataset).next_sync_at is not None
