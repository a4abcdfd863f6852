"""Files that determine what runs with the keys cannot have been written by another account."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from scout_control.errors import SettingsError
from scout_control.installation.settings import Settings
from scout_control.meltano import trusted_files

ANOTHER_ACCOUNT = 65534
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of others")
DOCUMENT = "plugins: {extractors: [{name: tap-x}]}\n"


@pytest.fixture
def project(folder, monkeypatch):
    """A project that belongs to this account, and the working directory; none is named."""
    monkeypatch.delenv("SCOUT_PROJECT_ROOT", raising=False)
    monkeypatch.delenv("SCOUT_HOME", raising=False)
    made = folder / "project"
    (made / "transform" / "models" / "custom").mkdir(parents=True)
    (made / "transform" / "models" / "custom" / "a.sql").write_text("select 1")
    (made / "meltano.yml").write_text(DOCUMENT)
    (made / ".env").write_text("A=1\n")
    for path in (made, *made.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    monkeypatch.chdir(made)
    return made


def test_a_project_of_this_account_is_found_from_a_subfolder(project, monkeypatch):
    monkeypatch.chdir(project / "transform" / "models")

    assert Settings.load().project_root == project


MODEL = "transform/models/custom/a.sql"
PATHS = ["meltano.yml", ".", ".env", "transform", "transform/models", MODEL]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_a_world_writable_project_is_rejected_found_or_named(project, monkeypatch, path, mode):
    (project / path).chmod(mode)

    with pytest.raises(SettingsError, match="Other accounts can change") as found:
        Settings.load()
    monkeypatch.setenv("SCOUT_PROJECT_ROOT", str(project))
    with pytest.raises(SettingsError, match="Other accounts can change") as named:
        Settings.load()
    assert found.value.remedy == named.value.remedy == f"Run: chmod go-w {project / path}"


@ROOT_ONLY
@pytest.mark.parametrize("path", PATHS)
def test_a_project_of_another_account_is_rejected_unless_it_was_named(project, monkeypatch, path):
    os.chown(project / path, ANOTHER_ACCOUNT, ANOTHER_ACCOUNT)

    with pytest.raises(SettingsError, match="belongs to another account") as found:
        Settings.load()
    assert found.value.remedy.endswith(f"export SCOUT_PROJECT_ROOT={project}")
    monkeypatch.setenv("SCOUT_PROJECT_ROOT", str(project))
    assert Settings.load().project_root == project


@ROOT_ONLY
@pytest.mark.parametrize("path", PATHS)
def test_a_project_that_another_group_can_write_is_rejected(project, path):
    os.chown(project / path, 0, ANOTHER_ACCOUNT)
    (project / path).chmod(0o775)

    with pytest.raises(SettingsError, match=r"chmod go-w .*; or, if you trust it"):
        Settings.load()


def test_a_private_group_may_write(project):
    for path in (project, *project.rglob("*")):
        path.chmod(path.stat().st_mode | stat.S_IWGRP)

    if trusted_files._is_private(project.stat().st_gid):
        assert Settings.load().project_root == project
    else:
        with pytest.raises(SettingsError, match="Other accounts can change"):
            Settings.load()


@ROOT_ONLY
def test_a_planted_file_in_a_parent_folder_is_rejected_and_never_read(project, folder, monkeypatch):
    planted = folder / "shared"
    (planted / "work").mkdir(parents=True)
    (planted / "meltano.yml").write_text(DOCUMENT)
    os.chown(planted / "meltano.yml", ANOTHER_ACCOUNT, ANOTHER_ACCOUNT)
    planted.chmod(0o1777)
    monkeypatch.chdir(planted / "work")
    command = [sys.executable, "-m", "scout_control", "sources", "types"]
    environment = {name: value for name, value in os.environ.items() if "SCOUT" not in name}

    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert f"{planted}" in done.stderr
    assert "tap-x" not in done.stdout


@ROOT_ONLY
def test_a_link_that_another_account_could_replace_is_rejected(project, folder):
    theirs = folder / "theirs"
    theirs.mkdir()
    for name in ("meltano.yml", "transform"):
        shutil.move(project / name, theirs / name)
        (project / name).symlink_to(theirs / name)
    assert Settings.load().project_root == project

    os.chown(theirs, ANOTHER_ACCOUNT, ANOTHER_ACCOUNT)
    with pytest.raises(SettingsError, match=f"{theirs} belongs to another"):
        Settings.load()
    os.chown(theirs, 0, 0)
    os.chown(project / "meltano.yml", ANOTHER_ACCOUNT, 0, follow_symlinks=False)
    with pytest.raises(SettingsError, match=r"meltano\.yml belongs to another"):
        Settings.load()


@ROOT_ONLY
def test_a_parent_folder_that_another_account_could_rename_is_rejected(project, folder):
    folder.chmod(0o777)
    with pytest.raises(SettingsError, match=f"can change {folder},"):
        Settings.load()
    folder.chmod(0o1777)  # as /tmp: others cannot rename what is ours in it
    assert Settings.load().project_root == project
    os.chown(folder, ANOTHER_ACCOUNT, ANOTHER_ACCOUNT)
    with pytest.raises(SettingsError, match=f"{folder} belongs to another"):
        Settings.load()


def test_circular_and_broken_links_end_with_a_message(project):
    (project / ".env").unlink()
    (project / ".env").symlink_to(".env")
    with pytest.raises(SettingsError, match="circular link"):
        Settings.load()
    (project / ".env").unlink()
    (project / "transform" / "again").symlink_to("..")
    assert Settings.load().project_root == project
    (project / "meltano.yml").unlink()
    (project / "meltano.yml").symlink_to("gone")
    with pytest.raises(SettingsError, match=f"no meltano.yml in {project}"):
        Settings.load()


def test_a_file_whose_mode_changes_after_the_check_is_not_read(project):
    (project / "meltano.yml").chmod(0o666)

    with pytest.raises(SettingsError, match="Other accounts can change"):
        trusted_files.read_text(project / "meltano.yml")


def test_the_home_is_created_private(project, folder):
    settings = Settings(project_root=project, home=folder / "a" / "home")
    was = os.umask(0)
    try:
        home = settings.make_home()
    finally:
        os.umask(was)

    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    home.chmod(0o775)
    assert stat.S_IMODE(settings.make_home().stat().st_mode) == 0o755


@ROOT_ONLY
def test_a_home_of_another_account_is_rejected_also_behind_a_link(project, folder):
    theirs, link = folder / "theirs", folder / "link"
    theirs.mkdir(mode=0o700)
    os.chown(theirs, ANOTHER_ACCOUNT, ANOTHER_ACCOUNT)
    link.symlink_to(theirs)

    for home in (theirs, link):
        with pytest.raises(SettingsError, match="belongs to another account"):
            Settings(project_root=project, home=home).make_home()
    assert list(theirs.iterdir()) == []


def test_a_log_file_is_private_even_if_it_existed(folder):
    log = folder / "run.log"
    log.write_text("before")
    log.chmod(0o666)

    with trusted_files.private_file(log) as opened:
        opened.write("now")
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    with trusted_files.private_file(log, append=True) as opened:
        opened.write(" and then")
    assert log.read_text() == "now and then"


def test_a_log_file_cannot_be_a_link_pipe_or_folder(folder):
    real, link, pipe, hard = (folder / name for name in ("real", "link", "pipe", "hard"))
    real.write_text("kept")
    link.symlink_to(real)
    os.mkfifo(pipe)
    hard.hardlink_to(real)

    for path in (link, pipe, hard, folder, Path("/dev/null")):
        with pytest.raises(SettingsError):
            trusted_files.private_file(path)
    assert real.read_text() == "kept"


@ROOT_ONLY
def test_a_log_file_of_another_account_is_rejected(folder):
    log = folder / "run.log"
    log.write_text("theirs")
    os.chown(log, ANOTHER_ACCOUNT, ANOTHER_ACCOUNT)

    with pytest.raises(SettingsError, match="not a regular file of this account"):
        trusted_files.private_file(log)
    assert log.read_text() == "theirs"


@pytest.mark.parametrize("path", ["more", "more/jobs.yml"])
@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_included_files_are_trusted_like_the_project(project, path, mode):
    (project / "more").mkdir(mode=0o755)
    (project / "more/jobs.yml").write_text("plugins: {}\n")
    (project / "more/jobs.yml").chmod(0o644)
    (project / "meltano.yml").write_text(f"include_paths: [more/*.yml]\n{DOCUMENT}")
    assert Settings.load().project_root == project

    (project / path).chmod(mode)

    with pytest.raises(SettingsError, match="Other accounts can change"):
        Settings.load()


def test_models_of_a_users_folder_are_trusted_like_the_project(project):
    (project / "models/custom").mkdir(parents=True, mode=0o755)
    (project / "models/custom/a.sql").write_text("select 1")
    (project / "models/custom/a.sql").chmod(0o666)

    with pytest.raises(SettingsError, match=r"Other accounts can change .*/a\.sql"):
        Settings.load()


@ROOT_ONLY
def test_an_included_file_of_another_account_is_rejected(project):
    (project / "jobs.yml").write_text("plugins: {}\n")
    (project / "meltano.yml").write_text(f"include_paths: [jobs.yml]\n{DOCUMENT}")
    os.chown(project / "jobs.yml", ANOTHER_ACCOUNT, -1)

    with pytest.raises(SettingsError, match="belongs to another account"):
        Settings.load()
