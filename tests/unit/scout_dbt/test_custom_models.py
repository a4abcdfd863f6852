"""Which files of users a dataset gets: those of its owners that can be read."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from scout_dbt.project.custom_models import FOLDER, MAX_BYTES, assemble, collect, elsewhere

NOBODY = 65534
ODD_IDS = (
    "..",
    ".",
    "",
    "/",
    "../staging",
    "river/deep",
    "/etc",
    "RIVER",
    "river/",
    "river\0",
    "*",
)


@pytest.fixture
def project(tmp_path) -> Path:
    made = tmp_path / "transform"
    for path in ("mine.sql", "river/theirs.sql", "river/deep/more.sql", "hill/other.sql"):
        file = made / FOLDER / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("select 1 as one")
    (made / "models/staging").mkdir()
    (made / "models/staging/ours.sql").write_text("select 1 as one")
    (tmp_path / "secret.sql").write_text("select 'of another account' as one")
    return made


def test_a_dataset_gets_the_models_of_the_operator_and_those_of_its_project(project):
    assert set(collect(project, "river").files) == {
        "mine.sql",
        "river/theirs.sql",
        "river/deep/more.sql",
    }
    assert set(collect(project, "hill").files) == {"mine.sql", "hill/other.sql"}
    assert set(collect(project, None).files) == {"mine.sql"}


def test_models_in_other_folders_are_named(project):
    (project / "models/theirs.sql").write_text("select 1")
    (project / "models/notes.md").write_text("none")

    assert elsewhere(project) == ["models/staging/ours.sql", "models/theirs.sql"]
    assert elsewhere(project / "models/custom") == []


@pytest.mark.parametrize("owner", ODD_IDS)
def test_an_odd_id_leads_nowhere(project, owner):
    found = collect(project, owner)

    assert (set(found.files), found.refused) == ({"mine.sql"}, {})


@pytest.mark.parametrize("place", ["", "river/"])
@pytest.mark.parametrize("suffix", [".sql", ".yml", ".md", ".csv", ".txt"])
def test_a_link_that_leads_out_is_refused_and_named(project, place, suffix):
    (project / FOLDER / f"{place}link{suffix}").symlink_to(project.parent / "secret.sql")
    (project / FOLDER / f"{place}other{suffix}").symlink_to(
        project / FOLDER / "../staging/ours.sql"
    )

    found = collect(project, "river")

    assert set(found.refused) == {f"{place}link{suffix}", f"{place}other{suffix}"}
    assert set(found.refused.values()) == {"it is a link that leads out of its folder"}
    assert "mine.sql" in found.files


def test_a_folder_that_is_a_link_is_refused_and_named(project):
    (project / FOLDER / "sea").symlink_to("/etc")
    (project / FOLDER / "river/linked").symlink_to(project / FOLDER / "hill")

    assert set(collect(project, "sea").refused) == {"sea"}
    assert set(collect(project, "river").refused) == {"river/linked"}


def test_a_project_cannot_reach_the_models_of_another_by_a_link(project):
    (project / FOLDER / "river/stolen.sql").symlink_to(project / FOLDER / "hill/other.sql")
    (project / FOLDER / "river/again.sql").symlink_to(project / FOLDER / "river/theirs.sql")

    found = collect(project, "river")

    assert set(found.refused) == {"river/stolen.sql"}
    assert "river/again.sql" in found.files


def test_files_that_cannot_be_read_are_refused_and_the_others_are_not(project):
    home = project / FOLDER
    os.mkfifo(home / "pipe.sql")
    (home / "latin.sql").write_bytes("select 'é'".encode("latin-1"))
    (home / "nul.sql").write_text("select '\0'")
    (home / "huge.sql").write_text(" " * (MAX_BYTES + 1))
    (home / "python.py").write_text("def model(dbt, session): ...")
    (home / "folder.sql").mkdir()
    (home / "gone.sql").symlink_to(home / "nowhere.sql")
    (home / "macros.yml").write_text("macros: []\nsnapshots: []\n")
    (home / "line\nfeed.sql").write_text("select 1")
    (home / "river/mine.sql").write_text("select 2 as one")

    found = collect(project, "river")

    assert {Path(path).name: why.partition(" (")[0] for path, why in found.refused.items()} == {
        "pipe.sql": "it is not a regular file",
        "latin.sql": "it is not UTF-8 text",
        "nul.sql": "it contains a NUL character",
        "huge.sql": "it is longer than 1,000,000 bytes",
        "python.py": "models in Python do not run in Postgres",
        "gone.sql": "it cannot be read",
        "macros.yml": "it declares macros, snapshots; allowed are "
        "exposures, groups, models, sources, unit_tests",
        "line\\nfeed.sql": "its name contains unprintable characters",
        "mine.sql": "a model for all datasets has the same name",
    }
    assert set(found.files) == {"mine.sql", "river/theirs.sql", "river/deep/more.sql"}
    assert found.files["mine.sql"] == b"select 1 as one"


def test_a_file_that_we_may_not_read_is_named(project, folder):
    shutil.copytree(project, folder / "transform")
    folder.chmod(0o755)
    (folder / "transform" / FOLDER / "river/theirs.sql").chmod(0)
    before = os.geteuid()
    try:
        if before == 0:  # who may read every file
            os.seteuid(NOBODY)
        found = collect(folder / "transform", "river")
    finally:
        os.seteuid(before)

    assert found.refused == {"river/theirs.sql": "it cannot be read (Permission denied)"}
    assert "mine.sql" in found.files


def test_a_project_cannot_describe_models_of_others(project):
    home = project / FOLDER
    for name in ("ours", "mine", "other"):
        text = f"models:\n- name: {name}\n  config: {{enabled: false}}\n"
        (home / f"river/{name}.yml").write_text(text)
    (home / "river/own.yml").write_text("models:\n- name: more\n- name: theirs\n")
    (home / "all.yml").write_text("models:\n- name: ours\n")

    found = collect(project, "river")

    assert set(found.refused) == {"river/ours.yml", "river/mine.yml", "river/other.yml"}
    assert {"river/own.yml", "all.yml"} <= set(found.files)


def test_a_file_whose_aliases_expand_to_a_long_one_is_refused(project):
    folds = [f"- &f{at + 1} {{a: [{', '.join([f'*f{at}'] * 10)}]}}" for at in range(9)]
    lines = ["groups:", "- &f0 {a: b}", *folds, "models:", "- name: *f9"]
    (project / FOLDER / "river/folded.yml").write_text("\n".join(lines))
    (project / FOLDER / "river/in_itself.yml").write_text("models: &all [*all]")
    (project / FOLDER / "river/deep.yml").write_text("models: " + "[" * 300_000)
    merges = [f"- &m{at + 1} {{<<: [{', '.join([f'*m{at}'] * 10)}]}}" for at in range(9)]
    lines = ["models:", "- &m0 {a: b}", *merges]
    (project / FOLDER / "river/merged.yml").write_text("\n".join(lines))
    found = collect(project, "river")

    names = ("folded", "in_itself", "merged", "deep")
    assert set(found.refused) == {f"river/{name}.yml" for name in names}


def test_the_digest_changes_with_every_file_that_the_dataset_gets(project):
    before = collect(project, "river").digest
    (project / FOLDER / "hill/other.sql").write_text("select 2 as one")
    assert collect(project, "river").digest == before

    (project / FOLDER / "river/latin.sql").write_bytes(b"\xff")
    refused = collect(project, "river").digest
    (project / FOLDER / "river/latin.sql").write_bytes(b"select 1")

    assert len({before, refused, collect(project, "river").digest}) == 3


def test_the_project_that_dbt_reads_has_copies_and_follows_what_changes(project, tmp_path):
    made = tmp_path / "made"
    first = collect(project, "river")
    assemble(first.files, first, project, made)
    copy = made / FOLDER / "river/theirs.sql"
    assert (made / "models/staging/ours.sql").read_text() == "select 1 as one"
    assert not copy.is_symlink()
    at = copy.stat().st_mtime_ns
    (project / "models/staging").rename(project / "models/relations")
    (project / FOLDER / "mine.sql").unlink()
    (project / FOLDER / "mine.sql").mkdir()
    second = collect(project, "hill")
    assemble(first.files.keys() - {"mine.sql"}, first, project, made)
    assert copy.stat().st_mtime_ns == at

    assemble(second.files, second, project, made)

    files = {str(each.relative_to(made)) for each in (made / FOLDER).rglob("*") if each.is_file()}
    assert files == {f"{FOLDER}/hill/other.sql"}
    assert {each.name for each in (made / "models").iterdir()} == {"relations", "custom"}
