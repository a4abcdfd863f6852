"""``scout project``: what an upgrade would change is shown as a diff, and done only if asked."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from click.testing import CliRunner
from scout_control.cli.main import main
from scout_control.installation import project_folder


@pytest.fixture
def clinic(folder, monkeypatch):
    """A project folder with additions, and a newer version of its templates."""
    made = folder / "clinic"
    project_folder.create(made)
    file = made / "meltano.yml"
    file.write_text(file.read_text().replace("jobs: []", "jobs: [{name: mine, tasks: [a b]}]"))
    templates = folder / "templates"
    shutil.copytree(project_folder.TEMPLATE, templates)
    newer = (templates / "meltano.yml").read_text()
    (templates / "meltano.yml").write_text("# newer\n" + newer.replace("jobs: []", "jobs: [] # n"))
    monkeypatch.setattr(project_folder, "TEMPLATE", templates)
    monkeypatch.setenv("SCOUT_PROJECT_ROOT", str(made))
    return made


def scout(*words):
    done = CliRunner().invoke(main, words, prog_name="scout")
    assert done.exit_code == 0, done.output
    return done


def test_a_plan_is_a_diff_and_changes_nothing(clinic):
    before = (clinic / "meltano.yml").read_text()

    shown = scout("project", "upgrade", "--plan")

    assert "+# newer" in shown.output
    assert "Left out of meltano.yml, since you have changed the same lines:\njobs: [] # n" in (
        shown.output
    )
    assert "Next: scout project upgrade" in shown.output
    assert (clinic / "meltano.yml").read_text() == before


def test_an_upgrade_keeps_the_additions_and_says_once_what_it_did(clinic):
    done = json.loads(scout("project", "upgrade", "--json").output)

    assert done["is_done"]
    assert [(each["path"], each["change"]) for each in done["changes"]] == [
        ("meltano.yml", "conflict")
    ]
    text = (clinic / "meltano.yml").read_text()
    assert text.startswith("# newer\n")
    assert "name: mine" in text
    assert "is up to date" in scout("project", "upgrade", "--plan").output


def test_show_names_the_folder_and_its_version(clinic):
    shown = json.loads(scout("project", "show", "--json").output)

    assert shown["project"] == os.fspath(clinic)
    assert shown["extends"] == "scout-sync"
    assert shown["version"] == shown["scout_version"]


@pytest.mark.parametrize("words", [("--plan",), ()])
def test_in_a_checkout_there_is_nothing_to_upgrade(folder, monkeypatch, words):
    """A checkout ships the plugins itself: its meltano.yml extends nothing."""
    (folder / "meltano.yml").write_text("plugins: {loaders: [{name: target-scout-postgres}]}\n")
    monkeypatch.setenv("SCOUT_PROJECT_ROOT", str(folder))

    assert "is a checkout" in scout("project", "upgrade", *words).output
    assert json.loads(scout("project", "upgrade", *words, "--json").output)["changes"] == []
    assert [each.name for each in folder.iterdir()] == ["meltano.yml"]


def test_a_project_that_is_none_of_these_cannot_be_upgraded(folder, monkeypatch):
    (folder / "meltano.yml").write_text("plugins: {}\n")
    monkeypatch.setenv("SCOUT_PROJECT_ROOT", str(folder))

    done = CliRunner().invoke(main, ["project", "upgrade"], prog_name="scout")

    assert done.exit_code == 2
    assert "annotations: {scout: {extends: scout-sync}}" in done.output
