"""Where no one can be asked, a prompt names the options to give instead."""

from __future__ import annotations

import contextlib
import os
import pty
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from scout_control.cli.base import LazyGroup, prompt, read_secret


def command(ask):
    group = LazyGroup(name="scout")
    group.command("ask")(lambda: click.echo(f"got {ask()}"))
    return group


ASKING = {
    "visible": lambda: prompt("Username", "--username"),
    "hidden": lambda: prompt("Username", "--username", hide_input=True),
    "secret": lambda: read_secret("Username", None, from_stdin=False, options="--username"),
}


@pytest.mark.parametrize("ask", ASKING)
def test_the_end_of_input_is_a_missing_option(ask):
    done = CliRunner().invoke(command(ASKING[ask]), ["ask"], input="")

    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.endswith(
        "Error: Username was not given, and no one could be asked. Give it with --username.\n"
    )


@pytest.mark.parametrize("ask", ASKING)
def test_what_comes_from_a_pipe_is_an_answer(ask):
    done = CliRunner().invoke(command(ASKING[ask]), ["ask"], input="ann\n")

    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "got ann")


def test_a_secret_names_its_usual_options():
    ask = command(lambda: read_secret("Api key", None, from_stdin=False))
    done = CliRunner().invoke(ask, ["ask"], input="")

    assert "Give it with --from-env VARIABLE or --from-stdin." in done.stderr


def test_a_secret_from_a_variable_or_standard_input_is_not_asked(monkeypatch):
    monkeypatch.setenv("KEY", "canary")
    of_variable = command(lambda: len(read_secret("Api key", "KEY", from_stdin=False)))
    of_input = command(lambda: len(read_secret("Api key", None, from_stdin=True)))

    assert CliRunner().invoke(of_variable, ["ask"], input="").stdout == "got 6\n"
    assert CliRunner().invoke(of_input, ["ask"], input="abc\n").stdout == "got 3\n"
    empty = CliRunner().invoke(of_input, ["ask"], input="\n")
    assert (empty.exit_code, "Api key is empty." in empty.stderr) == (2, True)


@pytest.mark.parametrize("ask", ASKING)
def test_ctrl_d_at_a_terminal_is_a_missing_option_too(ask):
    program = f"import {__name__} as own; own.command(own.ASKING[{ask!r}])(['ask'])"
    child, terminal = pty.fork()
    if child == 0:
        os.environ["PYTHONPATH"] = str(Path(__file__).parent)
        os.execv(sys.executable, [sys.executable, "-c", program])
    shown = b""
    while b"Username:" not in shown:
        shown += os.read(terminal, 1024)
    os.write(terminal, b"\x04")
    with contextlib.suppress(OSError):  # the end of a terminal
        while more := os.read(terminal, 1024):
            shown += more
    os.close(terminal)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
    assert "Error: Username was not given. Give it with --username." in shown.decode()
