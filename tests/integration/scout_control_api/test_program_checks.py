"""``scout doctor`` starts the programs that runs start, and asks no server for their versions."""

from __future__ import annotations

from importlib.metadata import version

import pytest
from scout_control.api import program_checks


@pytest.mark.parametrize("name", program_checks.PROGRAMS)
def test_a_program_that_starts_tells_its_version(name, tmp_path, monkeypatch):
    distribution, arguments = program_checks.PROGRAMS[name]
    (tmp_path / "dbt.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")

    assert program_checks._version(arguments) == version(distribution)


def test_one_that_ends_with_an_error_does_not_start():
    assert program_checks._version(("-c", "print(1.2); raise SystemExit(1)")) is None
    assert program_checks._version(("-c", "print('ready')")) == "starts"
