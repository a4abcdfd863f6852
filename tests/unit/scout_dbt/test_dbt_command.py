"""Command lines of dbt: what they select, and which folders they name."""

from __future__ import annotations

import pytest
from scout_dbt.dbt_command import DbtCommand
from scout_dbt.project import location


def command(*words, **environment):
    return DbtCommand(arguments=words, environment=environment)


@pytest.mark.parametrize(
    ("words", "name", "reads_models", "is_building"),
    [
        (("build", "--full-refresh"), "build", True, True),
        (("--quiet", "docs", "generate"), "docs", True, False),
        (("debug",), "debug", False, False),
        ((), "", False, False),
    ],
)
def test_the_subcommand_decides_whether_models_are_generated(
    words, name, reads_models, is_building
):
    found = command(*words)

    assert (found.name, found.reads_models, found.is_building) == (name, reads_models, is_building)


@pytest.mark.parametrize(
    ("words", "is_selective"),
    [
        (("build",), False),
        (("build", "--exclude-resource-type", "unit_test"), False),
        (("build", "-s", "good"), True),
        (("build", "--select=good"), True),
        (("build", "--full-refresh"), True),
    ],
)
def test_options_that_choose_what_is_built_are_recognised(words, is_selective):
    assert command(*words).is_selective == is_selective


@pytest.mark.parametrize(
    ("words", "writes_docs", "writes_docs_page"),
    [
        (("docs", "generate", "--static"), True, True),
        (("docs", "generate"), True, False),
        (("docs", "serve", "--static"), False, False),
        (("build", "--static"), False, False),
    ],
)
def test_only_generated_documentation_becomes_a_page(words, writes_docs, writes_docs_page):
    found = command(*words)

    assert (found.writes_docs, found.writes_docs_page) == (writes_docs, writes_docs_page)


def test_an_option_counts_more_than_its_variable_and_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert command("build").folder == tmp_path
    assert command("build", DBT_PROJECT_DIR="/a").folder.as_posix() == "/a"
    for words in (("--project-dir", "/b"), ("--project-dir=/b",)):
        assert command("build", *words, DBT_PROJECT_DIR="/a").folder.as_posix() == "/b"
    assert command("build", "--target-path", "t").target == tmp_path / "t"
    assert command("build", DBT_TARGET_PATH="/t").target.as_posix() == "/t"


@pytest.mark.parametrize(
    ("words", "environment", "source_type"),
    [
        ((), {}, "commcare"),
        (("--vars", "source_type: connect"), {}, "connect"),
        ((), {"DBT_VARS": "{source_type: connect}"}, "connect"),
        (("--vars", "[]"), {}, "commcare"),
    ],
)
def test_the_source_type_is_a_variable_of_dbt(words, environment, source_type):
    assert command("build", *words, **environment).source_type == source_type


def test_a_folder_without_a_dbt_project_gets_the_shipped_one_and_its_profiles(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models/custom").mkdir(parents=True)
    for found in (command("build"), command("build", DBT_PROFILES_DIR="/nowhere")):
        assert found.folder == tmp_path
        assert found.dbt_project == found.profiles == location.shipped()
    assert (location.shipped() / "macros/scout_table.sql").is_file()

    (tmp_path / "dbt_project.yml").touch()
    (tmp_path / "profiles.yml").touch()

    assert command("build").dbt_project == command("build").profiles == tmp_path


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (("docs", "generate", "--static"), ["docs", "generate"]),
        (("docs", "generate"), ["docs", "generate"]),
        (("build", "--static"), ["build", "--static"]),
    ],
)
def test_dbt_does_not_write_its_own_static_page(words, given):
    assert command(*words).dbt_arguments == given
    assert command(*words).writes_docs_page == (words == ("docs", "generate", "--static"))
