"""The user's folder: found, made without touching what exists, and upgraded with what was added."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path

import pytest
from scout_control.errors import ConflictError, SettingsError
from scout_control.installation import project_folder, project_location
from scout_control.installation.settings import Settings
from scout_control.meltano import project_file

MINE = "plugins:\n  extractors:\n  - {name: tap-mine, executable: /opt/tap-mine}\n"


@pytest.fixture
def elsewhere(folder, monkeypatch):
    """A working directory of a user without a project, as after an installation from wheels."""
    for name in ("SCOUT_PROJECT_ROOT", "SCOUT_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(project_file, "CHECKOUT", folder)
    monkeypatch.setenv("HOME", str(folder / "home"))
    (folder / "here").mkdir()
    monkeypatch.chdir(folder / "here")
    return folder / "here"


@pytest.fixture
def newer(tmp_path, monkeypatch):
    """Return a function that gives this program the templates of a newer version."""

    def become(**changed):
        folder = tmp_path / "templates"
        shutil.copytree(project_folder.TEMPLATE, folder)
        for path, text in changed.items():
            (folder / path).write_text(text)
        monkeypatch.setattr(project_folder, "TEMPLATE", folder)

    return become


def changed(text, old, new):
    assert old in text
    return text.replace(old, new)


def upgraded(folder):
    plan = project_folder.plan(folder)
    project_folder.upgrade(plan)
    return {each.path: each for each in plan.changes}


def test_without_a_project_the_message_says_how_to_make_one(elsewhere):
    with pytest.raises(SettingsError) as missing:
        Settings.load()

    assert str(elsewhere) in missing.value.cause
    assert "scout init --project FOLDER" in missing.value.remedy


def test_the_named_folder_comes_first_then_the_nearest_one_then_the_users(elsewhere, monkeypatch):
    folder, default = project_folder.create_default()
    assert folder == elsewhere.parent / "home/.local/share/scout-sync"
    assert default.written
    assert Settings.load().project_root == folder

    project_folder.create(elsewhere)
    (elsewhere / "deep/er").mkdir(parents=True)
    monkeypatch.chdir(elsewhere / "deep/er")
    assert Settings.load().project_root == elsewhere

    monkeypatch.setenv("SCOUT_PROJECT_ROOT", str(folder))
    assert Settings.load().project_root == folder
    assert project_folder.create_default() == (folder, project_folder.Created())


@pytest.mark.parametrize(("data_home", "is_used"), [("data", False), ("/data", True)])
def test_the_data_folder_of_the_desktop_is_used_if_it_is_absolute(
    elsewhere, monkeypatch, data_home, is_used
):
    monkeypatch.setenv("XDG_DATA_HOME", data_home)

    assert (str(project_location.default()) == "/data/scout-sync") is is_used


def test_a_new_folder_is_complete_closed_to_others_and_ignores_secrets(elsewhere):
    created = project_folder.create(elsewhere / "clinic")

    assert sorted(created.written) == [
        *(".gitignore", "README.md", "meltano.yml", "models/custom/README.md"),
    ]
    assert {".env", ".scout/"} <= set((elsewhere / "clinic/.gitignore").read_text().split())
    for path in (elsewhere / "clinic").rglob("*"):
        assert not path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    assert project_folder.create(elsewhere / "clinic").written == ()


def test_files_that_exist_are_never_written_over_nor_through(elsewhere):
    (elsewhere / "README.md").write_text("mine")
    (elsewhere / ".gitignore").symlink_to(elsewhere / "nowhere")

    created = project_folder.create(elsewhere)

    assert sorted(created.kept) == [".gitignore", "README.md"]
    assert (elsewhere / "README.md").read_text() == "mine"
    assert not (elsewhere / "nowhere").exists()
    assert project_folder.plan(elsewhere).changes == ()


@pytest.mark.parametrize("text", ["plugins: {}\n", "version: 1\n"])
def test_a_meltano_project_of_another_kind_is_left_alone(elsewhere, text):
    (elsewhere / "meltano.yml").write_text(text)

    with pytest.raises(SettingsError, match="Add this line"):
        project_folder.create(elsewhere)

    assert [each.name for each in elsewhere.iterdir()] == ["meltano.yml"]


def test_a_complete_project_such_as_a_checkout_is_used_as_it_is():
    assert project_folder.create(Path(__file__).parents[3]) == project_folder.Created()


def test_a_folder_that_cannot_be_made_is_an_error_with_its_path(elsewhere):
    (elsewhere / "file").write_text("")

    with pytest.raises(SettingsError, match="file cannot be written"):
        project_folder.create(elsewhere / "file")


def test_an_upgrade_shows_and_does_what_is_new_and_keeps_what_was_added(elsewhere, newer):
    project_folder.create(elsewhere)
    file = elsewhere / "meltano.yml"
    file.write_text(changed(file.read_text(), "plugins:\n  extractors: []\n", MINE))
    file.chmod(0o600)
    record = elsewhere / project_folder.RECORD
    record.write_text(json.dumps(json.loads(record.read_text()) | {"version": "0.0.9"}))
    template = project_folder.template()["meltano.yml"]
    newer(
        **{"meltano.yml": changed(template, "version: 1\n", "version: 1\n# new\n"), "NEW.md": "n\n"}
    )

    before = file.read_text()
    plan = project_folder.plan(elsewhere)
    assert plan.former_version == "0.0.9"
    assert file.read_text() == before
    assert {each.path: each.kind for each in plan.changes} == {
        "meltano.yml": "changed",
        "NEW.md": "added",
    }
    assert "+# new\n" in {each.path: each.diff for each in plan.changes}["meltano.yml"]

    upgraded(elsewhere)
    assert file.read_text() == changed(before, "version: 1\n", "version: 1\n# new\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (elsewhere / "NEW.md").read_text() == "n\n"
    assert project_folder.plan(elsewhere).changes == ()
    assert project_folder.describe(elsewhere)["version"] == project_folder.current_version()


def test_where_both_changed_the_same_lines_the_users_stay_and_the_new_ones_are_shown(
    elsewhere, newer
):
    project_folder.create(elsewhere)
    file = elsewhere / "meltano.yml"
    mine = changed(file.read_text(), "jobs: []\n", "jobs: [{name: mine, tasks: [a b]}]\n")
    file.write_text(mine)
    template = project_folder.template()["meltano.yml"]
    newer(**{"meltano.yml": changed(template, "jobs: []\n", "jobs: [] # new\n")})

    change = upgraded(elsewhere)["meltano.yml"]

    assert change.kind == "conflict"
    assert change.conflicts == ("jobs: [] # new\n",)
    assert file.read_text() == mine
    assert project_folder.plan(elsewhere).changes == ()  # told once


def test_a_file_that_the_user_removed_is_not_made_again(elsewhere, newer):
    project_folder.create(elsewhere)
    (elsewhere / "README.md").unlink()
    newer(**{"README.md": "new\n"})

    assert upgraded(elsewhere) == {}
    assert not (elsewhere / "README.md").exists()


def test_a_link_stays_a_link_and_odd_bytes_and_line_ends_stay_as_they_are(elsewhere, newer):
    project_folder.create(elsewhere)
    real = elsewhere / "real.md"
    text = project_folder.template()["README.md"]
    real.write_bytes(text.encode() + b"caf\xe9\r\n")
    (elsewhere / "README.md").unlink()
    (elsewhere / "README.md").symlink_to(real)
    newer(**{"README.md": "first\n" + text})

    upgraded(elsewhere)

    assert (elsewhere / "README.md").is_symlink()
    assert real.read_bytes() == b"first\n" + text.encode() + b"caf\xe9\r\n"


@pytest.mark.parametrize("record", ["{", "[]", '{"version": "1"}', '{"version": "1", "files": []}'])
def test_a_damaged_record_is_an_error_that_says_what_to_do(elsewhere, record):
    project_folder.create(elsewhere)
    (elsewhere / project_folder.RECORD).write_text(record)

    with pytest.raises(ConflictError, match="Restore it from version control"):
        project_folder.plan(elsewhere)


def test_without_a_record_every_file_is_the_users(elsewhere, newer):
    project_folder.create(elsewhere)
    (elsewhere / project_folder.RECORD).unlink()
    newer(**{"README.md": "new\n"})

    assert upgraded(elsewhere) == {}
    assert json.loads((elsewhere / project_folder.RECORD).read_text())["files"] == {}
