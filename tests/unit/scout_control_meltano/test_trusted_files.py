"""Which files another account could have written, or could read: by mode, link and type."""

from __future__ import annotations

import itertools
import os
import stat
from pathlib import Path

import pytest
from scout_control.errors import SettingsError
from scout_control.meltano import trusted_files


def status_of(mode, *, group=None):
    fields = [0] * 10
    fields[0], fields[5] = mode, os.getegid() if group is None else group
    return os.stat_result(fields)


@pytest.mark.parametrize(
    ("mode", "is_named", "may_write"),
    [
        (0o644, False, False),
        (0o755, False, False),
        (0o646, False, True),
        (0o646, True, True),
        (0o777, True, True),
        (0o002, True, True),
        (0o664, True, False),
    ],
)
def test_a_file_that_all_may_write_is_refused_even_where_it_was_named(mode, is_named, may_write):
    status = status_of(stat.S_IFREG | mode)

    assert trusted_files._others_may_write(status, is_named=is_named) is may_write


def test_a_group_of_unknown_members_is_not_private():
    nobodys = 2**31 - 7

    assert not trusted_files._is_private(nobodys)
    status = status_of(stat.S_IFREG | 0o664, group=nobodys)
    assert trusted_files._others_may_write(status, is_named=False)
    assert not trusted_files._others_may_write(status, is_named=True)


@pytest.mark.parametrize(
    ("is_end", "is_refused"),
    [(False, False), (True, True)],
    ids=["a folder on the way", "the folder itself"],
)
def test_a_sticky_folder_protects_what_is_in_it_and_not_itself(tmp_path, is_end, is_refused):
    status = status_of(stat.S_IFDIR | stat.S_ISVTX | 0o777)
    refused = None
    try:
        trusted_files._check(tmp_path, status, tmp_path, is_named=True, is_end=is_end)
    except SettingsError as error:
        refused = error

    assert (refused is not None) is is_refused


def test_a_file_with_a_sticky_bit_is_refused_like_any_other(tmp_path):
    status = status_of(stat.S_IFREG | stat.S_ISVTX | 0o666)

    with pytest.raises(SettingsError, match="Other accounts can change"):
        trusted_files._check(tmp_path, status, tmp_path, is_named=True, is_end=False)


def names(path, base):
    """Return the steps below a folder that the resolution of a path takes."""
    steps = trusted_files._resolution(path)
    return [str(step.relative_to(base)) for step in steps if base in step.parents]


@pytest.fixture
def base(tmp_path) -> Path:
    folder = tmp_path.resolve()
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "file").touch()
    return folder


@pytest.mark.parametrize(
    ("link", "target", "path", "steps"),
    [
        (None, None, "a/b/file", ["a", "a/b", "a/b/file"]),
        (None, None, "a/../a/b", ["a", "a", "a/b"]),
        ("l", "a/b", "l/file", ["l", "a", "a/b", "a/b/file"]),
        ("a/l", "../a/b/file", "a/l", ["a", "a/l", "a", "a/b", "a/b/file"]),
        ("a/l", "nowhere", "a/l", ["a", "a/l", "a/nowhere"]),
    ],
    ids=["plain", "up and down", "link to a folder", "relative link", "broken link"],
)
def test_each_folder_and_link_on_the_way_is_looked_at(base, link, target, path, steps):
    if link:
        (base / link).symlink_to(target)

    assert names(base / path, base) == steps


def test_an_absolute_link_is_followed_from_the_root(base):
    (base / "l").symlink_to(base / "a" / "b")

    assert names(base / "l" / "file", base) == ["l", "a", "a/b", "a/b/file"]
    assert next(iter(trusted_files._resolution(base / "l"))) == Path("/")


@pytest.mark.parametrize("others", [[], ["two"]], ids=["to itself", "in a circle"])
def test_a_circular_link_ends(base, others):
    circle = ["one", *others, "one"]
    for name, target in itertools.pairwise(circle):
        (base / name).symlink_to(target)

    with pytest.raises(SettingsError, match="is a circular link"):
        names(base / "one", base)


def test_links_between_folders_are_walked_once(base):
    (base / "a" / "b" / "up").symlink_to(base / "a")
    (base / "a" / "outside").symlink_to(base / "other")
    (base / "other").mkdir()
    (base / "other" / "model.sql").touch()
    found = [str(path.relative_to(base)) for path in trusted_files._below(base / "a")]

    assert sorted(found) == ["a/b", "a/b/file", "a/b/up", "a/outside", "a/outside/model.sql"]


@pytest.mark.parametrize(
    ("before", "after"), [(0o700, 0o700), (0o755, 0o755), (0o777, 0o755), (0o770, 0o750)]
)
def test_a_folder_for_secrets_is_closed_to_writers(base, before, after):
    folder = base / "home"
    folder.mkdir()
    folder.chmod(before)

    assert trusted_files.private_folder(folder) == folder
    assert stat.S_IMODE(folder.stat().st_mode) == after


@pytest.mark.parametrize("name", ["a/b/file", "a/b/file/below"])
def test_a_folder_that_cannot_be_made_says_how_to_choose_another(base, name):
    with pytest.raises(SettingsError, match=r"cannot be created: Not a directory\. Set SCOUT_HOME"):
        trusted_files.private_folder(base / name)


def test_a_file_for_secrets_is_private_and_emptied_unless_appended_to(base):
    file = base / "a" / "b" / "file"
    file.write_text("before")
    file.chmod(0o644)
    with trusted_files.private_file(file, append=True) as opened:
        opened.write(" and after")

    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("before and after", 0o600)
    with trusted_files.private_file(file) as opened:
        opened.write("x")
    assert file.read_text() == "x"


def a_link(path):
    (path.parent / "of someone else").write_text("kept")
    path.symlink_to("of someone else")


def a_second_name(path):
    (path.parent / "of someone else").write_text("kept")
    path.hardlink_to(path.parent / "of someone else")


@pytest.mark.parametrize(
    "make", [a_link, a_second_name, os.mkfifo, Path.mkdir], ids=lambda make: make.__name__
)
def test_a_file_for_secrets_is_not_what_another_left_there(base, make):
    path = base / "report"
    make(path)

    with pytest.raises(SettingsError):
        trusted_files.private_file(path)
    assert (
        not (base / "of someone else").exists() or (base / "of someone else").read_text() == "kept"
    )


@pytest.mark.parametrize(
    ("mode", "is_read"), [(0o600, True), (0o644, True), (0o664, True), (0o666, False)]
)
def test_a_file_that_all_may_write_is_not_read(base, mode, is_read):
    file = base / "meltano.yml"
    file.write_text("canary")
    file.chmod(mode)
    if is_read:
        assert trusted_files.read_text(file) == "canary"
    else:
        with pytest.raises(SettingsError, match=f"chmod go-w {file}") as refused:
            trusted_files.read_text(file)
        assert "canary" not in str(refused.value)
