"""The exit code of ``scout run`` for each way in which a run ends, and of questions."""

from __future__ import annotations

from types import SimpleNamespace

import click
import pytest
from click.testing import CliRunner
from scout_control.cli.base import LazyGroup, json_option
from scout_control.cli.confirmation import confirm, yes_option
from scout_control.cli.runs import exit_code


@pytest.mark.parametrize(
    ("status", "error", "transform_error", "code"),
    [
        ("completed", None, None, 0),
        ("completed", None, "model x", 1),
        ("partial", 65, None, 1),
        ("paused", 75, None, 75),
        ("queued", None, None, 143),
        ("cancelled", None, None, 143),
        ("failed", 65, None, 65),
        ("failed", 77, None, 77),
        ("failed", None, None, 1),
    ],
)
def test_status_and_error_decide_the_exit_code(status, error, transform_error, code):
    result = {"error": {"exit_code": error}} if error else {}
    ended = SimpleNamespace(status=status, result=result, transform_error=transform_error)

    assert exit_code(ended) == code


def test_a_declined_question_is_neither_an_interrupt_nor_a_missing_answer():
    group = LazyGroup(name="scout")

    @group.command()
    def ask():
        click.confirm("Sure?", abort=True)

    declined = CliRunner().invoke(group, ["ask"], input="n\n")
    unanswered = CliRunner().invoke(group, ["ask"], input="")
    accepted = CliRunner().invoke(group, ["ask"], input="y\n")

    assert (declined.exit_code, declined.stderr) == (1, "Nothing was changed.\n")
    assert unanswered.exit_code == 2
    assert "A prompt received no input" in unanswered.stderr
    assert accepted.exit_code == 0


def asking(may_be_piped):
    group = LazyGroup(name="scout")

    @group.command()
    @yes_option
    @json_option
    def remove(yes):
        confirm(
            "Remove it?",
            is_confirmed=yes,
            show=lambda: click.echo("what"),
            may_be_piped=may_be_piped,
        )
        click.echo("removed")

    return group


@pytest.mark.parametrize(
    ("may_be_piped", "words", "answer", "code", "output", "said"),
    [
        (True, [], "y\n", 0, "what\nremoved\n", "Remove it?"),
        (True, [], "n\n", 1, "what\n", "Nothing was changed."),
        (True, [], "", 2, "what\n", "nothing was changed. Confirm with --yes."),
        (False, [], "y\n", 2, "what\n", "Confirm with --yes."),  # a pipe is not asked
        (False, ["--yes"], "", 0, "removed\n", ""),
        (True, ["--yes", "--json"], "", 0, "removed\n", ""),
        (True, ["--json"], "y\n", 2, "{", "Confirm with --yes."),
    ],
)
def test_a_removal_is_confirmed_or_says_how(may_be_piped, words, answer, code, output, said):
    done = CliRunner().invoke(asking(may_be_piped), ["remove", *words], input=answer)

    assert done.exit_code == code
    assert done.stdout.startswith(output)
    assert ("removed" in done.stdout) == (code == 0)
    assert said in done.stderr


def test_the_help_says_how_a_question_ends():
    text = CliRunner().invoke(asking(may_be_piped=True), ["remove", "--help"]).stdout

    assert "exit code 2; no is exit code 1." in " ".join(text.split())
