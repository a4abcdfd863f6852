"""``make clean`` asks before it removes data or keys, and removes no data that is in use."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tools import clean

SCRIPT = Path(clean.__file__)
ROOT = SCRIPT.parents[1]


@pytest.fixture
def checkout(tmp_path):
    for path in (".ruff_cache/a", ".scout/postgres/PG_VERSION", ".scout/encryption.keys", "kept"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("x")
    return tmp_path


def run(folder, *options, **more):
    return subprocess.run(
        [sys.executable, SCRIPT, *options],
        **({"stdin": subprocess.DEVNULL} | more),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def typed(folder, answer):
    """Run it on a terminal on which someone types."""
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    done = run(folder, stdin=theirs)
    os.close(ours)
    os.close(theirs)
    return done


def left(folder):
    return sorted(each.name for each in folder.iterdir())


def test_without_a_terminal_it_refuses_and_names_what_it_would_remove(checkout):
    done = run(checkout)

    assert done.returncode == 1
    assert ".scout/postgres: the data" in done.stderr
    assert ".scout/encryption.keys: the encryption keys" in done.stderr
    assert "make clean CONFIRM=1" in done.stderr
    assert left(checkout) == [".ruff_cache", ".scout", "kept"]


def test_with_confirmation_all_is_removed(checkout):
    done = run(checkout, "--confirm")

    assert done.returncode == 0
    assert left(checkout) == ["kept"]
    assert "Removed:\n  .ruff_cache\n  .scout\n" in done.stderr


@pytest.mark.parametrize(
    ("answer", "kept"), [("y", ["kept"]), ("", [".scout", "kept"]), ("no", [".scout", "kept"])]
)
def test_on_a_terminal_it_asks_and_keeps_the_data_unless_told(checkout, answer, kept):
    done = typed(checkout, answer)

    assert done.returncode == 0, done.stderr
    assert left(checkout) == kept
    assert ("Kept:\n  .scout" in done.stderr) == (".scout" in kept)


def test_the_state_of_meltano_is_data_too(tmp_path):
    (tmp_path / ".meltano").mkdir()
    (tmp_path / ".meltano/meltano.db").write_text("x")

    assert ".meltano/meltano.db: the state" in run(tmp_path).stderr
    assert left(tmp_path) == [".meltano"]


def test_what_is_only_generated_is_removed_without_a_question(tmp_path):
    (tmp_path / ".mypy_cache").mkdir()
    (tmp_path / ".venv").symlink_to(tmp_path / ".mypy_cache")

    assert run(tmp_path).returncode == 0
    assert left(tmp_path) == []


def test_data_under_a_running_server_is_not_removed(checkout):
    with subprocess.Popen(["sleep", "600"], cwd=checkout / ".scout/postgres") as server:
        (checkout / ".scout/postgres/postmaster.pid").write_text(f"{server.pid}\n")
        done = run(checkout, "--confirm")
        server.kill()

    assert done.returncode == 1
    assert f"Postgres (process {server.pid})" in done.stderr
    assert left(checkout) == [".ruff_cache", ".scout", "kept"]


def test_an_id_that_another_process_has_since_is_no_server(checkout):
    (checkout / ".scout/postgres/postmaster.pid").write_text(f"{os.getpid()}\n")

    assert run(checkout, "--confirm").returncode == 0


def test_data_that_scout_leaves_running_is_not_removed_whatever_the_shell_names(checkout):
    scout = checkout / ".venv/bin/scout"
    scout.parent.mkdir(parents=True)
    scout.write_text(
        '#!/bin/sh\necho "$* $SCOUT_PROJECT_ROOT ${SCOUT_HOME-none}" > called\nexit 1\n'
    )
    scout.chmod(0o755)

    done = run(checkout, "--confirm", env={**os.environ, "SCOUT_HOME": "/elsewhere"})

    assert done.returncode == 1
    assert (checkout / "called").read_text() == f"demo --stop {checkout} none\n"
    assert (checkout / ".scout/encryption.keys").exists()


def test_make_clean_is_this_program(checkout):
    # `make test` passes its own options on in this variable.
    environment = {name: value for name, value in os.environ.items() if name != "MAKEFLAGS"}
    done = subprocess.run(
        ["make", "--no-print-directory", "-f", ROOT / "Makefile", "-n", "clean", "CONFIRM=1"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "python3 tools/clean.py --confirm"
