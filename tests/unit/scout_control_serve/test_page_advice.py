"""What a person at a browser reads in place of commands."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from scout_control.cli.main import main
from scout_control.rules.health import INTERRUPTED, NO_WORKER
from scout_control.serve.page.advice import RUNS_IT, for_people
from support.advice import advised, texts

import scout_control

SOURCE = Path(scout_control.__file__).parent


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "Its credential was refused. A person must reconnect: scout credentials connect "
            "hq.org --project 'river one'",
            "A person must reconnect: “Connect” or “Reconnect” on the page Data sources",
        ),
        ("Load it: scout run river/hq.x. Then look.", "Load it: “Sync now” on the page of the "),
        ("Try scout runs cancel 12, or wait. See the log.", "Try “Cancel” on the page of the "),
        ("It is old; scout datasets drop x; then look", f"It is old; {RUNS_IT}; then look"),
        (
            "Look: scout connections update 'a;b' --url. Then wait.",
            f"Look: {RUNS_IT}. Then wait.",
        ),
        (
            """Do: scout datasets drop 'a. B'"'"'; c' --yes; then look""",
            f"Do: {RUNS_IT}; then look",
        ),
        ("See: scout people list", "See: the page Operator"),
        ("See who may do what: docs/reference/permissions.md", "ask an admin of its project"),
        (NO_WORKER, RUNS_IT),
    ],
)
def test_a_command_becomes_a_place_of_the_page(text, words):
    assert words in for_people(text)
    assert "scout " not in for_people(text)
    assert "docs/" not in for_people(text)


def test_what_names_no_command_stays_as_it_is():
    assert for_people(INTERRUPTED) == INTERRUPTED
    assert for_people('column "scout" does not exist.') == 'column "scout" does not exist.'
    assert for_people(None) == ""


def commands_in(text):
    """Return what a text tells to type; other words after scout are names of locks and the like."""
    known = set(main.list_commands(click.Context(main))) - {"dataset", "query"}
    return [words for words in advised(text) if len(words) > 1 and words[0] in known]


def test_no_message_of_the_program_shows_a_command_to_a_person_at_a_browser():
    of_people = [text for path, text in texts(SOURCE) if "cli" not in path.parts]
    messages = [text for text in of_people if commands_in(text)]

    assert len(messages) > 30
    assert [text for text in messages if commands_in(for_people(text))] == []
