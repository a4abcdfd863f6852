"""Where files are on the server is not told to those who have no shell there."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from scout_control.rules.server_paths import FOLDER, hide_folders, without_folders

from scout_control import errors

FOLDERS = [PurePosixPath(each) for each in ("/srv/scout", "/srv/scout/home", "/tmp", "/", "/opt/x")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/srv/scout/meltano.yml has no source type 'x'.", "meltano.yml has no source type 'x'."),
        ("In '/srv/scout/home/a b/.env'.", "In 'a b/.env'."),
        ("/srv/scout is no project.", f"{FOLDER} is no project."),
        ("Look into /srv/scout/.", f"Look into {FOLDER}."),
        ("(/tmp/run-1/x, /opt/x/bin/tap)", "(run-1/x, bin/tap)"),
        ("chmod go-w /srv/scout/home", f"chmod go-w {FOLDER}"),
        ("/srv/scouting is another; so is /tmp-2/x", "/srv/scouting is another; so is /tmp-2/x"),
        ("https://hq.example.org/tmp/x", "https://hq.example.org/tmp/x"),
        ("GET /api/datasources/projects/", "GET /api/datasources/projects/"),
        ("river/hq, a / b, ./tmp/x", "river/hq, a / b, ./tmp/x"),
        ("", ""),
    ],
)
def test_files_have_their_path_below_a_folder_only(text, expected):
    assert without_folders(text, FOLDERS) == expected


def test_nothing_changes_without_folders():
    assert without_folders("/srv/scout/x", [PurePosixPath("/")]) == "/srv/scout/x"


def test_all_that_an_error_says_is_without_folders():
    error = errors.SettingsError("/srv/scout/a is missing.", "Write /srv/scout/a.")
    error.details = ("/tmp/x", "b")

    hide_folders(error, FOLDERS)

    assert (error.cause, error.remedy, error.details) == (
        "a is missing.",
        "Write a.",
        ("x", "b"),
    )
    assert str(error) == "a is missing. Write a."
