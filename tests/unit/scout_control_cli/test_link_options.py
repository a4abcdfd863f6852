"""Options of a link become the arguments of the Python interface; what is not named is left out."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner
from scout_control.cli.base import hidden_alias
from scout_control.cli.links import link_fields, link_options, links
from scout_control.cli.sources import sources


def fields(*words):
    """Return the arguments that the options of a command line amount to."""
    found = {}

    @click.command()
    @link_options
    def command(**options):
        found.update(link_fields(options))

    done = CliRunner().invoke(command, ["--project", "river", *words])
    assert done.exit_code == 0, done.stderr
    return found


def test_what_is_not_named_is_none():
    assert fields() == {"mode": None, "interval_hours": None, "config": {}}


def test_streams_settings_and_rules_are_collected():
    found = fields(
        *("--mode", "user", "--interval-hours", "6", "-c", "page_size=5", "--stream", "cases"),
        *("--stream", "forms", "--exclude", "cases.a.b", "--exclude", "cases.c", "--hash", "f*.x"),
    )

    assert found == {
        "mode": "user",
        "interval_hours": 6,
        "config": {"page_size": 5, "datasets": ["cases", "forms"]},
        "exclude": {"cases": ["a.b", "c"]},
        "hash": {"f*": ["x"]},
    }


@pytest.mark.parametrize("path", ["cases", "cases.", ".a", ""])
@pytest.mark.parametrize("option", ["--exclude", "--hash"])
def test_a_rule_names_a_stream_and_a_column(option, path):
    @click.command()
    @link_options
    def command(**options):
        link_fields(options)

    done = CliRunner().invoke(command, ["--project", "river", option, path])
    assert done.exit_code == 2
    assert f"{option}: {path!r} is not STREAM.COLUMN" in done.stderr


def test_former_commands_are_hidden_and_take_the_options_of_their_successors():
    former = {name: sources.commands[name] for name in ("link", "links", "unlink")}

    assert all(command.hidden for command in former.values())
    assert not any(command.hidden for command in links.commands.values())
    assert hidden_alias(links.commands["list"]).callback is former["links"].callback
    assert {each.name for each in former["link"].params} >= {"mode", "streams", "exclude", "hash"}
    assert sorted(links.commands) == ["add", "list", "remove", "show", "update"]
