"""Control's own settings: found, checked, and never half understood."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from scout_control.errors import SettingsError
from scout_control.installation.settings import (
    LONGEST_AUDIT_DAYS,
    SHORTEST_AUDIT_DAYS,
    Settings,
)

VARIABLES = ("PROJECT_ROOT", "HOME", "DATABASE_URL", "ENCRYPTION_KEYS", "OPAQUE_NAMES")


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A project in the working directory, and no variable that leads elsewhere."""
    for name in (*VARIABLES, "AUDIT_KEEP_DAYS"):
        monkeypatch.delenv(f"SCOUT_{name}", raising=False)
    folder = tmp_path.resolve() / "project"
    folder.mkdir(mode=0o755)
    (folder / "meltano.yml").write_text("version: 1\n")
    (folder / "meltano.yml").chmod(0o644)
    # Named, so that the modes of the folders of this machine do not decide.
    monkeypatch.setenv("SCOUT_PROJECT_ROOT", str(folder))
    monkeypatch.chdir(folder)
    return folder


def test_without_any_variable_the_defaults_hold(project):
    assert Settings.load() == Settings(project_root=project, home=project / ".scout")


def test_each_variable_is_read(project, monkeypatch):
    monkeypatch.setenv("SCOUT_HOME", "elsewhere")
    monkeypatch.setenv("SCOUT_DATABASE_URL", "postgresql://u:canary-1@db/x")
    monkeypatch.setenv("SCOUT_ENCRYPTION_KEYS", "canary-2")
    monkeypatch.setenv("SCOUT_OPAQUE_NAMES", "true")
    monkeypatch.setenv("SCOUT_AUDIT_KEEP_DAYS", "30")
    settings = Settings.load()

    assert settings.home == project / "elsewhere"
    assert settings.database_url == "postgresql://u:canary-1@db/x"
    assert settings.encryption_keys == "canary-2"
    assert (settings.opaque_names, settings.audit_keep) == (True, timedelta(days=30))
    assert "canary" not in repr(settings)


@pytest.mark.parametrize("name", VARIABLES[1:])
def test_an_empty_variable_is_an_absent_one(project, monkeypatch, name):
    without = Settings.load()
    monkeypatch.setenv(f"SCOUT_{name}", "")

    assert Settings.load() == without


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", True),
        ("true", True),
        (" TRUE ", True),
        ("0", False),
        ("False", False),
        ("  ", None),
    ],
)
def test_a_boolean_is_written_in_either_way(project, monkeypatch, text, value):
    monkeypatch.setenv("SCOUT_OPAQUE_NAMES", text)

    assert Settings.load().opaque_names is value


@pytest.mark.parametrize("text", ["yes", "on", "2", "tru", "-1", "nein"])
def test_any_other_word_is_refused_instead_of_guessed(project, monkeypatch, text):
    monkeypatch.setenv("SCOUT_OPAQUE_NAMES", text)

    with pytest.raises(SettingsError, match="SCOUT_OPAQUE_NAMES must be true or false"):
        Settings.load()


@pytest.mark.parametrize("days", [SHORTEST_AUDIT_DAYS, 31, 400, LONGEST_AUDIT_DAYS])
def test_the_audit_trail_is_kept_for_a_range_of_days(project, monkeypatch, days):
    monkeypatch.setenv("SCOUT_AUDIT_KEEP_DAYS", str(days))

    assert Settings.load().audit_keep == timedelta(days=days)


@pytest.mark.parametrize(
    "days",
    [
        str(SHORTEST_AUDIT_DAYS - 1),
        str(LONGEST_AUDIT_DAYS + 1),
        "0",
        "-30",
        "30.5",
        "1e3",
        " 30",
        "0x40",
        "forever",
        "²",
        "9" * 5000,  # more digits than Python reads
    ],
)
def test_days_out_of_range_are_refused(project, monkeypatch, days):
    monkeypatch.setenv("SCOUT_AUDIT_KEEP_DAYS", days)

    with pytest.raises(SettingsError, match="whole number of days from 30 to 36500"):
        Settings.load()


@pytest.mark.parametrize(
    ("root", "text"),
    [
        ("missing", r"There is no meltano.yml in .*/missing\."),
        ("meltano.yml", r"There is no meltano.yml in .*/meltano.yml\."),
        (".scout", r"There is no meltano.yml in .*/\.scout\."),
    ],
)
def test_a_named_folder_without_a_project_is_not_searched_around(project, monkeypatch, root, text):
    monkeypatch.setenv("SCOUT_PROJECT_ROOT", root)

    with pytest.raises(SettingsError, match=text):
        Settings.load()


def test_a_named_folder_is_relative_to_the_working_directory(project, monkeypatch):
    monkeypatch.chdir(project.parent)
    monkeypatch.setenv("SCOUT_PROJECT_ROOT", "project")

    assert Settings.load().project_root == project


def test_the_nearest_project_is_found_and_a_broken_link_is_not_passed_over(project, monkeypatch):
    monkeypatch.delenv("SCOUT_PROJECT_ROOT")
    below = project / "a" / "b"
    below.mkdir(parents=True)
    (project / "a" / "meltano.yml").symlink_to(project / "nowhere.yml")
    monkeypatch.chdir(below)

    with pytest.raises(SettingsError, match=f"There is no meltano.yml in {project}/a or above it"):
        Settings.load()


@pytest.mark.parametrize(
    ("url", "has_file"), [(None, True), ("postgresql://db/x", False), ("", True)]
)
def test_only_the_embedded_postgres_has_its_keys_beside_it(project, url, has_file):
    settings = Settings(project_root=project, home=project / ".scout", database_url=url)

    assert settings.key_file == (project / ".scout/encryption.keys" if has_file else None)


def test_the_home_is_private_and_made_once(project):
    settings = Settings(project_root=project, home=project / "deep/er/.scout")

    assert settings.make_home() == settings.make_home() == settings.home
    assert settings.home.stat().st_mode & 0o777 == 0o700
