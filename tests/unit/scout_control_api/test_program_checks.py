"""What doctor says of the programs that runs start, without starting them."""

from __future__ import annotations

from importlib import metadata

import pytest
from scout_control.api import program_checks
from scout_control.meltano import executables


@pytest.mark.parametrize(("name", "distribution"), program_checks.DISTRIBUTIONS.items())
def test_the_version_of_an_installed_program_is_told(name, distribution):
    told = program_checks._version(executables.PROGRAMS / name, distribution)

    assert told == metadata.version(distribution)


@pytest.mark.parametrize(("is_there", "mode"), [(False, 0), (True, 0o644)])
def test_a_program_that_is_missing_or_cannot_be_executed_has_no_version(tmp_path, is_there, mode):
    program = tmp_path / "meltano"
    if is_there:
        program.touch(mode)

    assert program_checks._version(program, "meltano") is None


def test_a_program_without_its_distribution_has_no_version(tmp_path):
    program = tmp_path / "meltano"
    program.touch(0o755)

    assert program_checks._version(program, "no-such-distribution") is None
