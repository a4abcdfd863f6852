"""An environment of another Python or another place is removed, with the reason."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tools import environment

SCRIPT = Path(environment.__file__)


@pytest.fixture
def made(tmp_path):
    venv.create(tmp_path / ".venv", with_pip=False)
    return tmp_path / ".venv"


def test_a_new_environment_is_usable(made):
    assert environment.unusable(made) is None
    assert environment.unusable(made, sys.version_info[:2]) is None


@pytest.mark.parametrize("version", ["3.10.4", "3.14.0", "2.7.18"])
def test_one_of_a_python_that_is_not_supported_is_not(made, version):
    config = made / "pyvenv.cfg"
    now = ".".join(map(str, sys.version_info[:3]))
    config.write_text(config.read_text().replace(f"version = {now}", f"version = {version}"))

    assert f"of Python {version.rpartition('.')[0]}, not 3.11 to 3.13" in environment.unusable(made)


def test_one_of_another_python_than_the_named_one_is_not(made):
    assert "but 3.99 was named" in environment.unusable(made, (3, 99))


def test_one_whose_python_was_removed_is_not(made):
    (made / "bin/python").unlink()
    (made / "bin/python").symlink_to("/nowhere/python3")

    assert "was removed" in environment.unusable(made)


def test_one_of_a_checkout_that_was_moved_is_removed_with_the_reason(made, tmp_path):
    moved = tmp_path / "moved"
    moved.mkdir()
    made.rename(moved / ".venv")

    done = subprocess.run(
        [sys.executable, SCRIPT], cwd=moved, capture_output=True, text=True, check=True
    )

    assert (
        f".venv is recreated: the checkout was moved or copied; it was made in {made}"
        in done.stderr
    )
    assert not (moved / ".venv").exists()


def test_one_of_uv_is_recognised_too(made):
    (made / "pyvenv.cfg").write_text("version_info = 3.10.13\n")
    (made / "bin/activate").write_text("VIRTUAL_ENV='/elsewhere/.venv'\nexport VIRTUAL_ENV\n")

    assert "of Python 3.10" in environment.unusable(made)
    (made / "pyvenv.cfg").write_text("version_info = 3.12.1\n")
    assert "/elsewhere/.venv" in environment.unusable(made)


@pytest.mark.parametrize("is_chosen", [True, False])
def test_a_python_that_is_not_supported_removes_nothing(made, monkeypatch, capsys, is_chosen):
    monkeypatch.setattr(sys, "version_info", (3, 10, 4))
    (made / "bin/activate").write_text("VIRTUAL_ENV='/elsewhere/.venv'\n")

    assert environment.main(made, is_chosen=is_chosen) == 1
    assert "is Python 3.10, but 3.11 to 3.13 is needed" in capsys.readouterr().err
    assert made.exists()


def test_a_usable_environment_needs_no_suitable_python_beside_it(made, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 4))

    assert environment.main(made, is_chosen=False) == 0
    assert made.exists()
