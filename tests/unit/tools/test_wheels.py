"""What distributions say on an index: versions, URLs and links that work there."""

from __future__ import annotations

import pytest

from tools import wheels

REPOSITORY = "https://git.example.org/health/scout"
PYPROJECT = """[project]
version = "1.0+checkout"
dependencies = ["a==1.0+checkout"]

[project.urls]
B = "b"
"""


@pytest.mark.parametrize(
    ("remote", "repository"),
    [
        ("https://git.example.org/health/scout.git", REPOSITORY),
        ("https://user:secret@git.example.org/health/scout", REPOSITORY),
        ("git@git.example.org:health/scout.git", REPOSITORY),
        ("ssh://git@git.example.org/health/scout.git", REPOSITORY),
        ("/srv/git/scout", None),
        ("", None),
    ],
)
def test_the_repository_is_that_of_the_remote_without_its_login(remote, repository):
    assert wheels.repository_of(remote) == repository


@pytest.mark.parametrize(
    ("link", "absolute", "words"),
    [
        ("[a](../docs/b.md#c)", f"[a]({REPOSITORY}/blob/HEAD/docs/b.md#c)", "a"),
        ("[`x`](tap/y.py)", f"[`x`]({REPOSITORY}/blob/HEAD/tap-x/tap/y.py)", "`x`"),
        *(
            (same, same, same)
            for same in ("[a](https://b.org)", "[a](#b)", "![a](b.png)", "f(a)[0]")
        ),
    ],
)
def test_links_to_files_become_links_to_the_repository_or_words(link, absolute, words):
    assert wheels.with_absolute_links(link, "tap-x", REPOSITORY) == absolute
    assert wheels.with_absolute_links(link, "tap-x", None) == words


@pytest.mark.parametrize(("is_release", "version"), [(False, "1.0+checkout"), (True, "1.0")])
def test_a_release_has_no_label_in_its_version_nor_in_what_it_requires(
    tmp_path, is_release, version
):
    (tmp_path / "README.md").write_text("[a](../b.md)\n")
    file = tmp_path / "pyproject.toml"
    file.write_text(PYPROJECT)

    wheels.prepare(file, is_release=is_release, repository=REPOSITORY)

    assert f'version = "{version}"\ndependencies = ["a=={version}"]' in file.read_text()
    assert f'Repository = "{REPOSITORY}"\n' in file.read_text()
    assert f"({REPOSITORY}/blob/HEAD/b.md)" in (tmp_path / "README.md").read_text()


def test_an_unknown_repository_adds_no_urls():
    assert wheels.with_repository(PYPROJECT, None) == PYPROJECT
