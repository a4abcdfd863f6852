"""What the demo suggests can be typed where it was started."""

from __future__ import annotations

import pytest
from scout_control.demo.commands import Commands
from scout_control.meltano import executables, project_file


@pytest.mark.parametrize(
    ("source", "options", "made", "installed"),
    [
        ("commcare", (), "make demo", "scout demo"),
        ("commcare", ("--edit",), "make demo ARGS=--edit", "scout demo --edit"),
        ("commcare", ("--fault kill",), 'make demo ARGS="--fault kill"', "scout demo --fault kill"),
        ("connect", (), "make demo SOURCE=connect", "scout demo --source connect"),
    ],
)
def test_options_are_given_as_make_or_the_program_takes_them(source, options, made, installed):
    assert Commands(scout="scout", is_make=True, source=source).demo(*options) == made
    assert Commands(scout="scout", is_make=False, source=source).demo(*options) == installed


def test_make_is_suggested_in_the_checkout_only(tmp_path, monkeypatch):
    monkeypatch.chdir(project_file.CHECKOUT)
    assert Commands.here("commcare").is_make
    monkeypatch.chdir(tmp_path)
    assert not Commands.here("commcare").is_make


def test_the_name_of_the_program_is_enough_where_the_shell_finds_this_one(tmp_path, monkeypatch):
    monkeypatch.delenv("SCOUT_DATABASE_URL", raising=False)
    monkeypatch.setenv("PATH", str(executables.PROGRAMS))
    assert Commands.here("commcare").scout == "scout"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Commands.here("commcare").scout.endswith("/scout")


def test_the_variables_of_another_installation_are_left_out(monkeypatch):
    monkeypatch.setenv("SCOUT_DATABASE_URL", "postgresql://elsewhere/store")

    assert Commands.here("commcare").scout.startswith(
        "env -u SCOUT_DATABASE_URL -u SCOUT_ENCRYPTION_KEYS "
    )
