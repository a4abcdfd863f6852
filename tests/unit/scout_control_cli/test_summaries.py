"""``scout --help`` says of each command what the command says of itself, without importing it."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from scout_control.cli.main import COMMANDS, main
from scout_control.cli.summaries import SUMMARIES

WIDTH = 63
"""Of a summary on a terminal of 80 columns."""


@pytest.mark.parametrize("name", COMMANDS)
def test_the_summary_of_a_command_is_its_own(name):
    command = main.get_command(click.Context(main), name)
    listed = click.Command(name, help=SUMMARIES[name])

    assert command.hidden == (not SUMMARIES[name])
    if not command.hidden:
        assert listed.get_short_help_str(WIDTH) == command.get_short_help_str(WIDTH)


def test_help_imports_no_command():
    script = (
        "import sys; from scout_control.cli.main import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "slow = {'psycopg', 'sqlalchemy', 'rich', 'yaml', 'scout_control.api.scout'}\n"
        "print(sorted(slow & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines()[-1] == "[]"
    assert "status" in done.stdout
